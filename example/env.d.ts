declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
  }
  interface Env {
    COUNTER: DurableObjectNamespace<import("./counter.ts").Counter>;
    ORDER: DurableObjectNamespace<import("./order.ts").Order>;
    LIST: DurableObjectNamespace<import("./todo-list.ts").TodoList>;
  }
}
