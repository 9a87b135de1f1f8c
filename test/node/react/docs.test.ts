import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, it } from "vitest";
import page from "../../../docs/guides/react.md?raw";
import chatCode from "./fixtures/chat.tsx?raw";
import { Chat } from "./fixtures/chat.tsx";
import fakeCode from "./fixtures/fake-room.ts?raw";
import { fakeRoom } from "./fixtures/fake-room.ts";
import pageCode from "./fixtures/page.tsx?raw";
import { Page, Topic } from "./fixtures/page.tsx";

describe("docs/guides/react.md", () => {
  it.each([chatCode, pageCode, fakeCode])("has the code that is tested here", (code) => {
    const body = code.slice(code.indexOf("\n") + 1).replace("../../../sync/fixtures/sync-docs.ts", "./room.ts");
    expect(page).toMatch(/^```tsx$/m);
    expect(page.replaceAll("```tsx", "```ts")).toContain(`\`\`\`ts\n${body}\`\`\``);
  });

  it("has code that renders on a server, without a connection", () => {
    expect(renderToString(createElement(Chat, { name: "lobby" }))).toBe("<p>Connecting …</p>");
    const html = renderToString(createElement(Page, { name: "lobby", token: "secret" }));
    expect(html).toBe("<h1>Connecting …</h1><p>0<!-- --> messages</p><button>Talk about the weather</button>");
    // As in the first render in a browser, before the state has come.
    expect(renderToString(createElement(Topic, { room: fakeRoom("News") }))).toBe("<h1>Connecting …</h1>");
  });
});
