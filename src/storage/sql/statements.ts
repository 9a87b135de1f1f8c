/**
 * @module
 * Splits SQL as SQLite does: into statements and placeholders, and quotes or comments that are open at the end.
 *
 * The platform's `exec` takes several at once, but resets the object when one before the last is an `insert … returning`,
 * refuses a comment behind the last, and says of an error in none of them which one it was.
 */

/** One statement, without the blanks and comments around it. */
export interface Statement {
  readonly text: string;
  /** The text with each run of blanks and comments as one space: what a formatter leaves alone. */
  readonly normal: string;
}

/**
 * Literals and quoted names, comments, blanks, words, and all else one by one; what is not closed goes to the end.
 *
 * Blanks are those of SQLite, to which a no-break space is part of a name; a byte order mark is one where no name goes on. A doubled quote makes two literals side by
 * side, which are taken apart and put together alike.
 */
const TOKEN =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|(--[^\n]*|\/\*[^]*?(?:\*\/|$)|[ \t\n\f\r\ufeff]+)|[\w$\u0080-\uffff]+|[^]/g;

const TRIGGER = /^(?:explain (?:query plan )?)?create (?:temp |temporary )?trigger[ "'`[]/i;
const TRIGGER_END = /; ?end$/i;

/** The statements of a text; those of a trigger's body are part of it, and empty ones are left out. */
export function statementsOf(sql: string): Statement[] {
  const statements: Statement[] = [];
  let [normal, begin, end] = ["", 0, 0];
  const close = (): void => {
    if (normal !== "") statements.push({ text: sql.slice(begin, end), normal });
    normal = "";
  };
  for (const { 0: token, 1: blank, index } of sql.matchAll(TOKEN)) {
    if (blank !== undefined) continue;
    if (token === ";" && (normal === "" || !TRIGGER.test(normal) || TRIGGER_END.test(normal))) {
      close();
      continue;
    }
    if (normal === "") begin = index;
    else if (index > end) normal += " ";
    normal += token;
    end = index + token.length;
  }
  close();
  return statements;
}

const PLACEHOLDER = /^(?:\?\d*|[:@$][\w$\u0080-\uffff]*)/;

/** Returns the placeholders in SQL: `?`, `?1`, `:a`, `@a`, `$a`. */
export function placeholdersOf(sql: string): string[] {
  return Array.from(sql.matchAll(TOKEN), ({ 0: token, index }) =>
    /^[?:@$]/.test(token) ? PLACEHOLDER.exec(sql.slice(index))![0] : "",
  ).filter((found) => found !== "");
}

const OPEN = /^(?:--|'[^']*$|"[^"]*$|`[^`]*$|\[[^\]]*$|\/\*(?![^]*\*\/$))/;

/** Returns true if quotes or a comment are still open at the end of this text. */
export function isOpen(sql: string): boolean {
  return OPEN.test(Array.from(sql.matchAll(TOKEN), ([token]) => token).at(-1) ?? "");
}
