/** The suite of `abstract-level`, which has no declarations of its own. */
declare module "abstract-level/test" {
  import type { AbstractDatabaseOptions, AbstractLevel } from "abstract-level";
  import type { Test } from "tape";

  function suite(options: {
    test(name: string, body: (t: Test) => unknown): void;
    factory(options?: AbstractDatabaseOptions<string, string>): AbstractLevel<string | Uint8Array>;
  }): void;
  export = suite;
}
