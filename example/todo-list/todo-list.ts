import { DurableBase, Persisted, Route } from "durable-base";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";

interface Todo {
  title: string;
  done: boolean;
  tags: Set<string>;
  dates: { created: Date; done?: Date };
}

/** A todo as callers see it: JSON has no Set. */
type TodoItem = Omit<Todo, "tags"> & { id: string; tags: string[] };

const NewTodo = z.object({ title: z.string().min(1), tags: z.array(z.string()).default([]) });
const TodoChange = z.object({ id: z.string(), title: z.string().min(1).optional(), done: z.boolean().optional() });
const TodoFilter = z.object({ tag: z.string().optional() });

/** A list of todos: one persisted Map, changed in place at any depth. */
export class TodoList extends DurableBase {
  @Persisted() accessor todos = new Map<string, Todo>();

  @Route.post("/todos", { input: NewTodo, status: 201 })
  add({ title, tags }: z.output<typeof NewTodo>): TodoItem {
    const id = crypto.randomUUID();
    this.todos.set(id, { title, done: false, tags: new Set(tags), dates: { created: new Date() } });
    return this.#item(id);
  }

  @Route.get("/todos", { input: TodoFilter })
  list({ tag }: z.output<typeof TodoFilter>): TodoItem[] {
    const items = Array.from(this.todos.keys(), (id) => this.#item(id));
    return tag === undefined ? items : items.filter(({ tags }) => tags.includes(tag));
  }

  @Route.get("/todos/:id")
  read({ id }: { id: string }): TodoItem {
    return this.#item(id);
  }

  /** Adds a todo for each line of a text, and gives their number. */
  @Route.post("/import", { accept: "text" })
  import({ body }: { body: string }): number {
    const titles = body.split("\n").filter((line) => line.trim() !== "");
    for (const title of titles) this.add({ title, tags: [] });
    return titles.length;
  }

  /** The titles one by one, as lines or events. */
  @Route.get("/titles")
  *titles(): Generator<string> {
    for (const { title } of this.todos.values()) yield title;
  }

  @Route.patch("/todos/:id", { input: TodoChange })
  change({ id, title, done }: z.output<typeof TodoChange>): TodoItem {
    const todo = this.#todo(id);
    if (title !== undefined) todo.title = title;
    if (done !== undefined) todo.done = done;
    if (done === true) todo.dates.done = new Date();
    if (done === false) delete todo.dates.done;
    return this.#item(id);
  }

  @Route.del("/todos/:id")
  remove({ id }: { id: string }): void {
    this.#todo(id);
    this.todos.delete(id);
  }

  #todo(id: string): Todo {
    const todo = this.todos.get(id);
    if (todo === undefined) throw new HTTPException(404, { message: `There is no todo ${id}.` });
    return todo;
  }

  #item(id: string): TodoItem {
    const todo = this.#todo(id);
    return { ...todo, id, tags: [...todo.tags] };
  }
}
