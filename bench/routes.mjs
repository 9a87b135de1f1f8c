/** Writes the classes with so many routes, each with a parameter, as each contender writes them. */

/** Source of one class of each contender. */
export function routeClasses(count) {
  const routes = Array.from({ length: count }, (_, i) => `route${i}`);
  return `
    export class HandRoutes extends DurableObject {
      fetch(request) {
        const [, route, id, more] = new URL(request.url).pathname.split("/");
        if (request.method !== "GET" || !id || more) return this.#refuse();
        switch (route) {
          ${routes.map((route) => `case "${route}": return Response.json({ route: "${route}", id: decodeURIComponent(id) });`).join("\n")}
          default: return this.#refuse();
        }
      }
      #refuse() {
        const headers = { "content-type": "application/problem+json" };
        return Response.json({ status: 404, title: "Not Found" }, { status: 404, headers });
      }
    }

    export class HonoRoutes extends DurableObject {
      #app = new Hono()
        ${routes.map((route) => `.get("/${route}/:id", (c) => c.json({ route: "${route}", id: c.req.param("id") }))`).join("\n")};
      fetch(request) { return this.#app.fetch(request); }
    }

    export class OurRoutes extends DurableBase {
      ${routes.map((route) => `@Route.get("/${route}/:id") ${route}({ id }) { return { route: "${route}", id }; }`).join("\n")}
    }`;
}
