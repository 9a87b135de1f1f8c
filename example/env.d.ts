declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
  }
  interface Env {
    BOARD: DurableObjectNamespace<import("./board/board.ts").Board>;
    CHAT: DurableObjectNamespace<import("./chat/chat.ts").Chat>;
    COUNTER: DurableObjectNamespace<import("./counter/counter.ts").Counter>;
    ORDER: DurableObjectNamespace<import("./order/order.ts").Order>;
    LIST: DurableObjectNamespace<import("./todo-list/todo-list.ts").TodoList>;
  }
}
