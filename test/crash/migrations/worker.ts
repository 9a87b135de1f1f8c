import { hang, setTrap } from "../../steps/stepped.ts";
import { Upgraded } from "../../steps/upgraded.ts";
import { MIGRATIONS } from "../../steps/versions.ts";

export { Upgraded };

interface Env {
  UPGRADED: DurableObjectNamespace<Upgraded>;
}

/** What `scripts/crash/migrations.mjs` asks for, of the object of a name. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, name, what, number] = new URL(request.url).pathname.split("/") as [string, string, string, string];
    const object = env.UPGRADED.getByName(name);
    if (what === "deploy") Upgraded.deployed = MIGRATIONS.slice(0, Number(number));
    // Without an entry, which would run the migrations before.
    else if (what === "arm") setTrap(object, { at: Number(number), count: 0, isAfter: true, spring: hang });
    else if (what === "write") return new Response(await object.write(Number(number)));
    else if (what === "reset") await object.reset().catch(() => {});
    else if (what === "look") return new Response(await look(object));
    else return new Response(await object.stored());
    return new Response("done");
  },
};

/** What is stored, without migrations. */
async function look(object: DurableObjectStub<Upgraded>): Promise<string> {
  const { deployed } = Upgraded;
  Upgraded.deployed = undefined;
  const found = await object.stored();
  await object.reset().catch(() => {});
  Upgraded.deployed = deployed;
  return found;
}
