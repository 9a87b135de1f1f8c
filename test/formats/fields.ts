import { DurableBase, DurableError, Object, Persisted, snapshot } from "durable-base";
import { show } from "../persisted/model.ts";
import { changeLarge, changeLog, changeSmall, makeValues, type Values } from "./values.ts";

/** The fields without options. */
export class Fields extends DurableBase {
  @Persisted() accessor zero: unknown;
  @Persisted() accessor missing: unknown = "default";
  @Persisted() accessor text: unknown;
  @Persisted() accessor scalars: unknown;
  @Persisted() accessor at: unknown;
  @Persisted() accessor never: unknown;
  @Persisted() accessor pattern: unknown;
  @Persisted() accessor failure: unknown;
  @Persisted() accessor failures: unknown;
  @Persisted() accessor bytes: unknown;
  @Persisted() accessor kinds: unknown;
  @Persisted() accessor map: unknown;
  @Persisted() accessor set: unknown;
  @Persisted() accessor sparse: unknown;
  @Persisted() accessor tree: unknown;
  @Persisted() accessor log: unknown;
  @Persisted() accessor holes: unknown;
  @Persisted() accessor users: unknown;
  @Persisted() accessor odd: unknown;
  @Persisted() accessor members: unknown;
  @Persisted() accessor totals: unknown;
  @Persisted() accessor groups: unknown;
  @Persisted() accessor album: unknown;
  @Persisted() accessor image: unknown;
  @Persisted() accessor novel: unknown;
  @Persisted() accessor letter: unknown;

  write(): void {
    globalThis.Object.assign(this, makeValues());
  }

  changeSmall(): void {
    changeSmall(this as unknown as Values);
  }

  changeLog(): void {
    changeLog(this as unknown as Values);
  }

  changeLarge(): void {
    changeLarge(this as unknown as Values);
  }

  /** Each of the fields as text, or the code of its error. */
  read(names: readonly string[]): string[] {
    return names.map((name) => {
      try {
        return show(snapshot(Reflect.get(this, name)));
      } catch (error) {
        return DurableError.is(error) ? error.code : String(error);
      }
    });
  }
}

interface Env {
  KEPT: DurableObjectNamespace<Fields>;
}

/** The Worker: `/read?names=a,b`, or any other method by its name. */
export const front = {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const kept = Object.from(env.KEPT).byName("kept");
    const call = pathname.slice(1) as "read";
    return Response.json((await kept[call](searchParams.get("names")?.split(",") ?? [])) ?? null);
  },
};
