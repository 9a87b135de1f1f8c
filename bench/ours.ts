import { DurableBase, Persisted, Route } from "durable-base";
import { Input } from "./input.ts";

/** The same as `HandCounter`, on the library. */
export class Counter extends DurableBase {
  @Persisted() accessor count = 0;

  noop(): void {}

  increment(by: number): number {
    return (this.count += by);
  }

  @Route.get("/")
  read(): { count: number } {
    return { count: this.count };
  }

  @Route.post("/double", { input: Input })
  double({ by }: Input): { doubled: number } {
    return { doubled: by * 2 };
  }
}
