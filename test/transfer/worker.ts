/** The Worker of `scripts/transfer.mjs`: objects that are filled, exported and imported, and say what they hold. */
import { DurableObject } from "cloudflare:workers";
import * as Transfer from "durable-base/transfer";
import { crc32, toBytes } from "../../src/transfer/format.ts";
import { mulberry32 } from "../random.ts";

/** There with V8's flag `--expose-gc`. */
const { gc } = globalThis as { gc?: () => void };

export class Transferred extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/fill":
        this.#fill(Number(url.searchParams.get("from")), Number(url.searchParams.get("mb")));
        return new Response();
      case "/export":
        return new Response(
          Transfer.export(this.ctx, { from: url.searchParams.get("from") ?? undefined, onProgress: collecting() }),
        );
      case "/import": {
        // What is held is measured, not what V8 has not collected yet.
        return Response.json(await Transfer.import(this.ctx, request.body!, { onProgress: collecting() }));
      }
      case "/importing":
        return Response.json(Transfer.importing(this.ctx) ?? null);
      default:
        return Response.json(this.#digest());
    }
  }

  /** So many megabytes, half in keys, half in rows, one in a hundred of them large. */
  #fill(from: number, mb: number): void {
    const { kv, sql } = this.ctx.storage;
    const random = mulberry32(from + 1);
    sql.exec("create table if not exists events (id integer primary key, at real, kind text, data blob)");
    sql.exec("create index if not exists kinds on events (kind, at)");
    for (let i = 0; i < mb * 50; i++) {
      const size = i % 100 < 2 ? 600_000 : 8_000;
      const bytes = new Uint8Array(size);
      for (let j = 0; j < size; j += 50_000) crypto.getRandomValues(bytes.subarray(j, j + 50_000));
      const id = from * 1_000 + i;
      if (i % 2 === 0) {
        const text = new TextDecoder("latin1").decode(bytes.subarray(0, size / 2));
        kv.put(`key:${String(id).padStart(9, "0")}`, { id, at: new Date(id), text, bytes: bytes.slice(size / 2) });
      } else {
        sql.exec("insert into events values (cast(? as integer), ?, ?, ?)", id, random(), `kind ${i % 7}`, bytes);
      }
    }
  }

  /** Read by hand, without what an export uses. */
  #digest(): unknown {
    const { kv, sql } = this.ctx.storage;
    let hash = "";
    let keys = 0;
    for (const [key, value] of kv.list<{ id: number; at: Date; text: string; bytes: Uint8Array }>()) {
      const sums = [crc32(toBytes(value.text)), crc32(value.bytes)];
      hash = `${crc32(toBytes([hash, key, value.id, value.at.getTime(), ...sums].join()))}`;
      keys++;
    }
    let rows = 0;
    for (const [id, at, kind, data] of sql.exec("select id, at, kind, data from events order by id").raw()) {
      hash = `${crc32(toBytes([hash, id, at, kind, crc32(new Uint8Array(data as ArrayBuffer))].join()))}`;
      rows++;
    }
    return { keys, rows, hash, stored: sql.databaseSize };
  }
}

/** Collects garbage after each megabyte, where that can be asked for. */
function collecting(): (progress: { bytes: number }) => void {
  let next = 0;
  return ({ bytes }) => {
    if (bytes < next) return;
    next = bytes + 1_000_000;
    gc?.();
  };
}

interface Env {
  TRANSFERRED: DurableObjectNamespace<Transferred>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const [, name, act] = pathname.split("/") as [string, string, string];
    const object = env.TRANSFERRED.getByName(name);
    switch (act) {
      case "copy": {
        // What was cut off goes on.
        const begun = await (await object.fetch("https://object/importing")).json<{ cursor: string } | null>();
        const rest = begun === null ? "" : `?from=${encodeURIComponent(begun.cursor)}`;
        const from = await env.TRANSFERRED.getByName(search.slice(1)).fetch(`https://object/export${rest}`);
        return await object.fetch("https://object/import", { method: "POST", body: from.body });
      }
      case "sink": {
        const from = await object.fetch("https://object/export");
        let bytes = 0;
        for await (const chunk of from.body as ReadableStream<Uint8Array>) bytes += chunk.length;
        return Response.json({ bytes });
      }
      default:
        return await object.fetch(`https://object/${act}${search}`);
    }
  },
} satisfies ExportedHandler<Env>;
