import { cloudflare } from "@cloudflare/vite-plugin";
import { defineConfig } from "vite";
import { decorators } from "../../src/vite.ts"; // in a copy: from "durable-base/vite"

export default defineConfig({
  plugins: [decorators(), cloudflare()],
  server: { port: 8787, strictPort: true },
  preview: { port: 8787, strictPort: true },
  // In the library's repository, which has it as source; not in a copy.
  resolve: { tsconfigPaths: true },
  environments: { board: { optimizeDeps: { exclude: ["cloudflare:durable-objects"] } } },
});
