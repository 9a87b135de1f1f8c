/**
 * @module
 * The alarm of an object as its parts see it.
 */

/**
 * The next run of a part.
 *
 * @example
 * ```ts
 * const due: Due = { at: 1_800_000_000_000, run: () => undefined };
 * ```
 */
export interface Due {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /**
   * Runs it, when its time has come; afterwards {@link AlarmSource.next} returns what comes next. `stepsBack` is true if an alarm
   * that ran this, or something before it, stopped the object: put it off in storage before it runs. If it throws, the alarm
   * fails, and what is still due waits: 2 seconds, then twice as long each time, at most 5 minutes.
   */
  run(stepsBack: boolean): Promise<void> | undefined;
}

/**
 * A part that needs the alarm.
 *
 * @example
 * ```ts
 * const source: AlarmSource = { next: () => ({ at: Date.now() + 1_000, run: () => undefined }) };
 * ```
 */
export interface AlarmSource {
  /**
   * Returns what the part wants to run first, as its stored rows say; undefined when nothing waits. `readsAhead` is true between
   * runs of one turn, in which only the part itself changes its rows: it may read several at once, and keep them for the next
   * calls with `readsAhead`. Another call says that they may be out of date.
   */
  next(readsAhead: boolean): Due | undefined;
}

/**
 * The alarm of an object, as parts share it.
 *
 * @example
 * ```ts
 * const alarm: SharedAlarm = alarmOf(host);
 * ```
 */
export interface SharedAlarm {
  /** Adds a part, during construction. Of what is due at the same time, what was added first runs first; the user's alarm runs last. */
  add(source: AlarmSource): void;
  /** Call it before each change of what {@link AlarmSource.next} returns: the native alarm is set anew in a microtask. */
  touch(): void;
}
