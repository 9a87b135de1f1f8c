/** Writes the classes of the cold start, whose number of fields is what is measured. */

const names = (count) => Array.from({ length: count }, (_, i) => `field${i}`);

/** Source of one class of each contender for each number of fields. */
export function fieldClasses(...counts) {
  return counts.flatMap((count) => [handClass(count), ...keyClasses(count), ourClass(count)]).join("\n");
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
      change10() { const state = this.#load(); ${names(10)
        .map((name) => `state.${name}++;`)
        .join(" ")} this.ctx.storage.kv.put("state", state); }
      evict() { this.ctx.abort("evicted"); }
    }`;
}

/** A key for each field, as a class has it that began with one; they are read at first use, by one `list` or one by one. */
function keyClasses(count) {
  const keyClass = (name, load) => `
    export class ${name}${count} extends DurableObject {
      #state;
      #load() {
        if (this.#state !== undefined) return this.#state;
        const { kv } = this.ctx.storage;
        return this.#state = ${load};
      }
      save() { ${names(count)
        .map((name, i) => `this.ctx.storage.kv.put("${name}", ${i === 0 ? -1 : i});`)
        .join(" ")} }
      sum() { const state = this.#load(); return ${names(count)
        .map((name) => `state.${name}`)
        .join(" + ")}; }
      evict() { this.ctx.abort("evicted"); }
    }`;
  return [
    keyClass("HandKeys", 'Object.fromEntries(kv.list({ prefix: "field" }))'),
    keyClass(
      "HandGets",
      `{ ${names(count)
        .map((name, i) => `${name}: kv.get("${name}") ?? ${i}`)
        .join()} }`,
    ),
  ];
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
      change10() { ${names(10)
        .map((name) => `this.${name}++;`)
        .join(" ")} }
      evict() { this.ctx.abort("evicted"); }
    }`;
}
