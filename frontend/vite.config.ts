import { readdirSync } from "node:fs";
import { basename, resolve } from "node:path";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const folder = import.meta.dirname;
const entries = resolve(folder, "src/entries");

// Each file of src/entries is what one page mounts; `{% frontend_entry "name" %}` finds it in the manifest.
const input = Object.fromEntries(
  readdirSync(entries).map((file) => [basename(file, ".tsx"), resolve(entries, file)]),
);

export default defineConfig({
  root: folder,
  base: "./",
  publicDir: false,
  plugins: [react()],
  build: {
    target: "es2022",
    outDir: resolve(folder, "../workflows/static/workflows/dist"),
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0, // a data: address would need a hole in the content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rollupOptions: { input },
  },
});
