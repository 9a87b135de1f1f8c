import * as Transfer from "durable-base/transfer";
import { Counter } from "./counter.ts";

export { default } from "./counter.ts";

/** The counter with all functions of the subpath. */
export class Transferred extends Counter {
  async replace(request: Request): Promise<ReadableStream<Uint8Array> | string> {
    if (Transfer.importing(this.ctx) !== undefined)
      return await Transfer.restore(this.ctx, await Transfer.bookmark(this.ctx));
    await Transfer.import(this.ctx, request.body!);
    return Transfer.export(this.ctx);
  }
}
