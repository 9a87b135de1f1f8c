/** Writes the classes of the cold start, whose number of fields is what is measured. */

const names = (count) => Array.from({ length: count }, (_, i) => `field${i}`);

/** Source of one class of each contender for each number of fields. */
export function fieldClasses(...counts) {
  const classes = counts.flatMap((count) => [handClass(count), ourClass(count)]);
  return `
    import { DurableObject } from "cloudflare:workers";
    import { DurableBase, Persisted } from "../src/index.ts";
    ${classes.join("\n")}`;
}

/** All small fields in one row, loaded at first use: the fastest way to do it by hand. */
function handClass(count) {
  return `
    export class HandFields${count} extends DurableObject {
      #state;
      #load() {
        return this.#state ??= this.ctx.storage.kv.get("state") ?? { ${names(count)
          .map((name, i) => `${name}: ${i}`)
          .join()} };
      }
      save() { const state = this.#load(); state.field0 = -1; this.ctx.storage.kv.put("state", state); }
      sum() { const state = this.#load(); return ${names(count)
        .map((name) => `state.${name}`)
        .join(" + ")}; }
      evict() { this.ctx.abort("evicted"); }
    }`;
}

function ourClass(count) {
  return `
    export class Fields${count} extends DurableBase {
      ${names(count)
        .map((name, i) => `@Persisted() accessor ${name} = ${i};`)
        .join("\n")}
      save() { this.field0 = -1; }
      sum() { return ${names(count)
        .map((name) => `this.${name}`)
        .join(" + ")}; }
      evict() { this.ctx.abort("evicted"); }
    }`;
}
