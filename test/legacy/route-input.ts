import { DurableBase } from "../../src/core/durable-base.ts";
import { Route, type RouteContext } from "../../src/route/route.ts";
import type { Validated } from "../../src/core/values/schema.ts";
import {
  Booking,
  Either,
  Filter,
  Id,
  Later,
  Lengths,
  LoosePage,
  LooseTitle,
  Maybe,
  Page,
  Query,
  Search,
  Shout,
  Size,
  Title,
  Titles,
  Upload,
  shown,
  type RouteInputLike,
} from "../route/fixtures/route-input-data.ts";
import { exactlyOnce } from "../../src/once/once.ts";

/** Bodies of every kind, and schemas for the parts of the input, with legacy decorators. */
export class LegacyRouteInput extends DurableBase implements RouteInputLike {
  static override parts = [exactlyOnce()];

  @Route.post("/form", { accept: "form", maxBody: 2_000 })
  @Route.post("/both", { accept: ["json", "form"] })
  async form(input: unknown): Promise<unknown> {
    return await shown(input);
  }

  @Route.post("/text", { accept: "text", maxBody: 100 })
  @Route.post("/json-or-text", { accept: ["json", "text"] })
  async text(input: unknown): Promise<unknown> {
    return await shown(input);
  }

  @Route.post("/bytes", { accept: "bytes", maxBody: 100 })
  async bytes({ body }: { body: Uint8Array }, c: RouteContext): Promise<unknown> {
    return [await shown(body), await c.req.text()];
  }

  @Route.post("/stream", { accept: "stream", maxBody: 100 })
  @Route.post("/any", { accept: ["json", "form", "text", "stream"] })
  async stream(input: unknown): Promise<unknown> {
    return await shown(input);
  }

  @Route.post("/text-or-bytes", { accept: ["text", "bytes"] })
  async textOrBytes(input: { body?: string | Uint8Array }): Promise<unknown> {
    return await shown(input);
  }

  @Route.post("/again")
  @Route.post("/parts/:id", { params: Id, query: Page, body: Title })
  @Route.get("/parts/:id")
  parts(input: unknown): unknown {
    return input;
  }

  @Route.post("/loose", { query: LoosePage, body: LooseTitle })
  loose(input: unknown): unknown {
    return input;
  }

  @Route.post("/loose-body", { query: Page, body: LooseTitle })
  looseBody(input: unknown): unknown {
    return input;
  }

  @Route.post("/list/:id", { body: Titles })
  list({ id, body }: { id: string; body: string[] }): unknown {
    return { id, body };
  }

  @Route.post("/either", { body: Either })
  either(input: object): unknown {
    return input;
  }

  @Route.post("/maybe", { body: Maybe })
  maybe(input: object): unknown {
    return input;
  }

  @Route.post("/shout", { accept: "text", body: Shout })
  shout({ body }: { body: string }): string {
    return body;
  }

  @Route.post("/size", { accept: "bytes", body: Size, query: Page })
  size(input: { size: number; page: number }): unknown {
    return input;
  }

  @Route.post("/later", { query: Page, body: Later })
  async later(input: { page: number; title: string }): Promise<unknown> {
    return input;
  }

  @Route.post("/id/:id", { params: Id })
  idOnly(input: { id: number }): unknown {
    return input;
  }

  @Route.post("/upload", { accept: "form", body: Upload })
  async upload({ title, file }: { title: string; file: File }): Promise<unknown> {
    return [title, await shown(file)];
  }

  @Route.post("/query-and-text", { accept: "text", query: Page })
  queryAndText({ page, body }: { page: number; body: string }): unknown {
    return [page, body];
  }

  @Route.get("/query", { input: Query })
  query({ free, at }: Validated<typeof Query>): unknown {
    return { free, year: at?.getUTCFullYear() };
  }

  @Route.get("/search", { query: Search })
  async search({ page, ...rest }: Validated<typeof Search>, _c?: RouteContext): Promise<unknown> {
    return { page: page + 1, rest };
  }

  @Route.get("/filter", { input: Filter })
  filter(filter?: Validated<typeof Filter>): unknown {
    return filter?.max;
  }

  @Route.put("/bookings/:id", { params: Id, body: Booking })
  book({ id, at, seats }: Validated<typeof Id> & Validated<typeof Booking>): unknown {
    return { id: id + 1, year: at.getUTCFullYear(), seats };
  }

  @Route.patch("/bookings/:name", { body: Booking })
  rebook({ name, at, seats }: { name: string } & Validated<typeof Booking>): unknown {
    return { name, year: at.getUTCFullYear(), seats };
  }

  @Route.post("/lengths/:id", { params: Id, body: Lengths })
  lengths({ id, body }: Validated<typeof Id> & { body: Validated<typeof Lengths> }): unknown {
    return body.map((length) => length + id);
  }

  /** Calls from inside pass the schemas' output. */
  within(): unknown {
    return [this.query({ free: false }), this.book({ id: 1, at: new Date(0), seats: 2 })];
  }
}
