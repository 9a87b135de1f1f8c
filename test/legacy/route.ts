import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { Route, type RouteContext } from "../../src/route/route.ts";
import {
  Broken,
  By,
  Nested,
  Page,
  Slow,
  SECRET,
  describeInput,
  losses,
  results,
  throws,
  typed,
  type RoutesLike,
} from "../route/fixtures/route-data.ts";

/** The methods of the cases, with legacy decorators. */
export class LegacyRoutes extends DurableBase implements RoutesLike {
  @Persisted() total = 0;
  @Persisted() log: { at: Date; tags: string[] }[] = [];
  @Persisted() labels = new Map<string, { n: number }>();

  @Route.get("/verb")
  @Route.post("/verb")
  @Route.put("/verb")
  @Route.patch("/verb")
  @Route.del("/verb")
  @Route("report", "/verb")
  verb(_: unknown, c: RouteContext): string {
    return c.req.method;
  }

  @Route.all("/every/*")
  every(_: unknown, c: RouteContext): string | Response | Promise<Response> {
    return c.req.path.endsWith("/missing") ? c.notFound() : `${c.req.method} ${c.req.path}`;
  }

  @Route.post("/only-post")
  onlyPost(): void {}

  @Route("OPTIONS", "/own-options")
  ownOptions(): string {
    return "mine";
  }

  @Route.get("/same")
  @Route.post("/same")
  @Route.post("/same/:id")
  @Route.get("/same/:id")
  @Route.get("/pair/:constructor/:toString?")
  same(input?: unknown): unknown {
    return describeInput(input);
  }

  @Route.get("/stacked/:id")
  @Route.get("/stacked/:other{.+}")
  stacked(input: unknown): unknown {
    return input;
  }

  @Route.get("/first/new")
  early(): string {
    return "the first match wins";
  }

  @Route.get("/first/:anything")
  late({ anything }: { anything: string }): string {
    return `anything: ${anything}`;
  }

  @Route.post("/small", { maxBody: 16 })
  small(input: unknown): unknown {
    return input;
  }

  @Route.post("/raw")
  async raw(_: unknown, c: RouteContext): Promise<unknown> {
    return [await c.req.text(), await c.req.json()];
  }

  @Route.put("/add")
  @Route.post("/add", { input: By, status: 201 })
  add({ by }: { by: number }): number {
    return (this.total += by);
  }

  @Route.post("/nested", { input: Nested })
  nested(input: unknown): unknown {
    return input;
  }

  @Route.post("/slow", { input: Slow })
  async slow({ name }: { name: string }): Promise<string> {
    return `${name}!`;
  }

  @Route.post("/broken", { input: Broken })
  broken(): void {}

  @Route.get("/pages/:id", { input: Page })
  page(input: { id: string; page: number }): unknown {
    return input;
  }

  @Route.post("/count")
  count(...all: unknown[]): number {
    return all.length;
  }

  @Route.post("/inside")
  inside(): number {
    return this.add({ by: "not validated" as never });
  }

  @Route.get("/context/own")
  context(_: unknown, c: RouteContext): unknown {
    return { env: c.env === this.env, ctx: (c.executionCtx as unknown) === this.ctx, name: this.name };
  }

  @Route.post("/chosen", { status: 201 })
  chosen(_: unknown, c?: RouteContext): string {
    c?.status(202);
    c?.header("x-chosen", "yes");
    return "accepted";
  }

  @Route.post("/created/nothing", { status: 201 })
  createdNothing(): void {}

  @Route.post("/chosen/nothing", { status: 201 })
  chosenNothing(_: unknown, c?: RouteContext): void {
    c?.status(205);
  }

  @Route.get("/missing/here")
  missing(_: unknown, c: RouteContext): Response | Promise<Response> {
    return c.notFound();
  }

  @Route.get("/results/:kind")
  result({ kind }: { kind: string }): unknown {
    return results[kind as keyof typeof results]();
  }

  @Route.get("/typed/:kind")
  typed({ kind }: { kind: string }, c: RouteContext): unknown {
    c.header("content-type", "x/y");
    return typed[kind]!();
  }

  @Route.get("/losses/:kind")
  loss({ kind }: { kind: string }): unknown {
    return losses[kind]!.make();
  }

  @Route.get("/throws/:kind")
  throw({ kind }: { kind: string }): unknown {
    this.total = -1;
    return throws[decodeURIComponent(kind)]!();
  }

  @Route.get("/tracked/:part")
  tracked({ part }: { part: string }): unknown {
    this.log = [{ at: new Date(0), tags: ["a"] }];
    this.labels = new Map([["x", { n: 1 }]]);
    const [first] = this.log;
    const parts = { log: this.log, inside: { first, at: first!.at, label: this.labels.get("x") }, map: this.labels };
    return parts[part as keyof typeof parts];
  }

  @Route.post("/unwritable")
  unwritable(): string {
    const { kv } = this.ctx.storage;
    const { put } = kv;
    kv.put = () => {
      kv.put = put;
      throw new Error(SECRET);
    };
    this.total++;
    return "never sent";
  }
}

/** Inherits its routes: one overridden, one moved, one taken over by another method. */
export class ChildLegacyRoutes extends LegacyRoutes {
  override onlyPost(): string {
    return "overridden";
  }

  @Route.post("/counted")
  override count(): number {
    return -1;
  }

  @Route.get("/context/own")
  @Route.get("/every/new")
  takeOver(): string {
    return "taken over";
  }

  @Route.all("/first/new")
  takeAll(): string {
    return "all taken over";
  }
}

/** Where `@Route` cannot work: what, the class, the code, a part of the message. */
export const misplacedLegacy: readonly [string, () => unknown, string, string][] = [
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Route.get("/total") static total(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    '`@Route("GET", "/total") total() { … }`',
  ],
  [
    "a field",
    () => {
      class Wrong {
        // @ts-expect-error a field isn't a method
        @Route.get("/total") total = (): number => 1;
      }
      return Wrong;
    },
    "bad-decorator",
    '`@Route("GET", "/total") total() { … }`',
  ],
  [
    "a getter",
    () => {
      class Wrong {
        // @ts-expect-error a getter isn't a method
        @Route.get("/total") get total(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    '`@Route("GET", "/total") total() { … }`',
  ],
  [
    "a symbol",
    () => {
      class Wrong {
        @Route.get("/total") [Symbol.iterator](): number {
          return 1;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    '`@Route("GET", "/total") answer() { … }`',
  ],
  [
    "a hook",
    () => {
      class Wrong {
        @Route.get("/start") onStart(): void {}
      }
      return Wrong;
    },
    "reserved-name",
    "onStart",
  ],
  [
    "fetch",
    () => {
      class Wrong {
        @Route.get("/fetch") fetch(): void {}
      }
      return Wrong;
    },
    "reserved-name",
    "fetch",
  ],
  [
    "two methods of one path",
    () => {
      class Wrong {
        @Route.get("/todos/:id") first(): void {}
        @Route.get("/todos/:name") second(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    'on second is never reached, since @Route("GET", "/todos/:id") on first',
  ],
  [
    "a route after an `all` of its path",
    () => {
      class Wrong {
        @Route.all("/todos/:id") any(): void {}
        @Route.get("/todos/:name/") one(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    '@Route("GET", "/todos/:name/") on one is never reached, since @Route("ALL", "/todos/:id") on any',
  ],
  [
    "two paths that are one without an optional parameter",
    () => {
      class Wrong {
        @Route.get("/todos/:id?/:part?") some(): void {}
        @Route.get("/todos") all(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    '@Route("GET", "/todos") on all is never reached, since @Route("GET", "/todos/:id?/:part?") on some',
  ],
  [
    "a route below an `all` of its path on one method",
    () => {
      class Wrong {
        @Route.all("/todos")
        @Route.get("/todos")
        list(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    '@Route("GET", "/todos") on list is never reached, since @Route("ALL", "/todos") on list',
  ],
  [
    "two routes of one path on one method",
    () => {
      class Wrong {
        @Route.get("/todos/:id?")
        @Route.get("/todos")
        list(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "on list is never reached",
  ],
  [
    "one method with a schema for all and one for a part",
    () => {
      class Wrong {
        @Route.get("/one", { input: By })
        @Route.get("/two", { query: By })
        method(input: object): object {
          return input;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "a second schema",
  ],
  [
    "a route above `none`",
    () => {
      class Wrong {
        @Route.get("/todos")
        @Route.none()
        list(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "beside another @Route",
  ],
  [
    "a route below `none`",
    () => {
      class Wrong {
        @Route.none()
        @Route.get("/todos")
        list(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "beside another @Route",
  ],
  [
    "`none` on a static method",
    () => {
      class Wrong {
        own = 1;
        @Route.none() static list(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    "`@Route.none() list() { … }`",
  ],
  [
    "`none` on a hook",
    () => {
      class Wrong {
        @Route.none() onStart(): void {}
      }
      return Wrong;
    },
    "reserved-name",
    "onStart",
  ],
  [
    "one method with two schemas",
    () => {
      class Wrong {
        @Route.get("/one", { input: By })
        @Route.get("/two", { input: Slow })
        method(input: object): object {
          return input;
        }
      }
      return Wrong;
    },
    "bad-decorator",
    "a second schema",
  ],
  [
    "`@Route.get` without its parentheses on a static method",
    () => {
      const bare = Route.get as unknown as (...site: unknown[]) => void;
      class Wrong {
        own = 1;
        @bare static method(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    '@Route.get on method isn\'t called. Write `@Route.get("/method")`.',
  ],
  ...(
    [
      ["get", '@Route.get on method isn\'t called. Write `@Route.get("/method")`.'],
      ["del", '@Route.del on method isn\'t called. Write `@Route.del("/method")`.'],
      ["all", '@Route.all on method isn\'t called. Write `@Route.all("/method")`.'],
      ["none", "@Route.none on method isn't called. Write `@Route.none()`."],
    ] as const
  ).map(([verb, message]): [string, () => unknown, string, string] => [
    `\`@Route.${verb}\` without its parentheses`,
    () => {
      const bare = Route[verb] as unknown as (...site: unknown[]) => void;
      class Wrong {
        @bare method(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    message,
  ]),
  [
    "`@Route` without its parentheses",
    () => {
      class Wrong {
        // @ts-expect-error the method and the path are missing
        @Route method(): void {}
      }
      return Wrong;
    },
    "bad-decorator",
    '@Route on method isn\'t called. Write `@Route.get("/method")`.',
  ],
];
