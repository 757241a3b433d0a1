/** Builds the report's page into the Python package, which is installed without Node. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { build } from "esbuild";

import { notices } from "./notices.mjs";

const FOLDER = new URL("../../apo_engine/runs/page/", import.meta.url).pathname;

/** The files of the page, by name. */
export async function reportFiles() {
  const { metafile, outputFiles } = await build({
    entryPoints: ["report/main.ts"],
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    metafile: true,
    write: false,
    legalComments: "none",
    logLevel: "warning",
  });
  return {
    "report.js": outputFiles[0].text,
    "report.css": readFileSync("report/report.css", "utf8"),
    "THIRD_PARTY_NOTICES.txt": notices(metafile),
  };
}

/** The files of the page as they are committed. */
export function committedFile(name) {
  return readFileSync(path.join(FOLDER, name), "utf8");
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(await reportFiles())) {
    writeFileSync(path.join(FOLDER, name), text);
  }
}
