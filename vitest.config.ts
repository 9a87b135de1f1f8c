import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { decorators } from "./src/vite.ts";

export default defineConfig({
  plugins: [decorators(), cloudflareTest({ wrangler: { configPath: "./test/wrangler.toml" } })],
  test: { include: ["test/**/*.test.ts", "example/**/*.test.ts"] },
});
