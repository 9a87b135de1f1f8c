// The part of Node's module that workerd has and the code and its tests use: @types/node redeclares half of the
// globals of @cloudflare/workers-types, so the two cannot be in one program.
declare module "node:async_hooks" {
  export class AsyncLocalStorage<T> {
    static bind<Call extends (...args: never[]) => unknown>(call: Call): Call;
    getStore(): T | undefined;
    run<R, A extends unknown[]>(store: T, callback: (...args: A) => R, ...args: A): R;
  }
}
