// How the front end becomes webui/static. Called by hack/frontend (`vite build`) and by vitest.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A classic script, so that the chosen theme is there before the first paint: modules run after it. */
function earlyTheme(): Plugin {
  const source = readFileSync(here("./src/theme-early.js"), "utf8");
  const fileName = `assets/theme-${createHash("sha256").update(source).digest("hex").slice(0, 8)}.js`;
  return {
    name: "early-theme",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source });
    },
    transformIndexHtml() {
      return [{ tag: "script", attrs: { src: `/${fileName}` }, injectTo: "head-prepend" }];
    },
  };
}

export default defineConfig({
  plugins: [earlyTheme()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy allows no data: addresses for scripts and styles; small files stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // What is fetched only when it is needed lies apart: hack/frontend weighs what a first visit fetches.
    rolldownOptions: { output: { chunkFileNames: "assets/later/[name]-[hash].js" } },
  },
  worker: { format: "es" },
  test: { include: ["tests/**/*.test.ts", "tests/**/*.test.tsx"], environment: "node" },
} as import("vite").UserConfig);
