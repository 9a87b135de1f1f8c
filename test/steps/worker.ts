import { hang, setTrap, Stepped } from "./stepped.ts";

/** Runs the program, and hangs at a step: `scripts/crash/steps.mjs` hears of it and kills the process. */
export class Hanging extends Stepped {
  arm(at: number): void {
    setTrap(this.ctx, { at, count: 0, isAfter: true, spring: hang });
  }
}

interface Env {
  HANGING: DurableObjectNamespace<Hanging>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, name, what, number] = pathname.split("/") as [string, string, string, string?];
    const object = env.HANGING.getByName(name);
    if (what === "arm") await object.arm(Number(number));
    else if (what === "play") await object.play(Number(number));
    else return new Response(await object.state());
    return new Response("done");
  },
};
