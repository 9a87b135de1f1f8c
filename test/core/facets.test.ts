import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { errorOf } from "../error-of.ts";
import type { Facet } from "./fixtures/facet.ts";

let nth = 0;

type FacetOf = (name: string) => Fetcher<Facet>;

/** Runs `test` with the facets of a new object; `id` makes a facet's id of its name. */
async function withFacets(
  id: ((name: string) => DurableObjectId | string) | undefined,
  test: (facet: FacetOf, state: DurableObjectState) => Promise<void>,
): Promise<void> {
  await runInDurableObject(env.PROBE.getByName(`facets ${nth++}`), async (_, state) => {
    const { Facet: cls } = state.exports as unknown as { Facet: object };
    await test((name) => state.facets.get<Facet>(name, () => ({ class: cls, ...(id && { id: id(name) }) })), state);
  });
}

describe("an object as a facet of another one", () => {
  it.each([
    ["the id of its parent", undefined],
    ["an id of its own", (name: string) => env.FACET.idFromName(name)],
    ["a text for an id", (name: string) => name],
  ])("has fields of its own, through a restart too, with %s", async (_, id) => {
    await withFacets(id, async (facet, state) => {
      expect([await facet("left").increment(), await facet("right").increment()]).toEqual([1, 1]);
      expect(await facet("left").increment()).toBe(2);
      state.facets.abort("left", new Error("restart"));
      expect([await facet("left").increment(), await facet("right").increment()]).toEqual([3, 2]);
    });
  });

  it("has the name of its id", async () => {
    await withFacets(undefined, async (facet, state) => {
      expect(await facet("left").nameOf()).toBe(state.id.name);
    });
    await withFacets(
      (name) => env.FACET.idFromName(name),
      async (facet) => {
        expect(await facet("left").nameOf()).toBe("left");
      },
    );
  });

  it("has no name where its id is a text", async () => {
    await withFacets(
      (name) => name,
      async (facet) => {
        expect(await errorOf(() => facet("left").nameOf())).toMatchObject({ code: "name-unknown" });
      },
    );
  });
});
