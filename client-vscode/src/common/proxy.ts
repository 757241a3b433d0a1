import type { WorkspaceConfiguration } from "vscode";

/** The section of the editor's settings that names its proxy. */
export const HTTP = "http";

/** `env` with the editor's proxy, where the user's own environment names none. */
export function withProxy(env: NodeJS.ProcessEnv, http: Pick<WorkspaceConfiguration, "get">): NodeJS.ProcessEnv {
  const proxy = http.get<string>("proxy", "");
  const own = Object.keys(env).some((name) => /^(https?|all)_proxy$/i.test(name));
  if (proxy === "" || own) {
    return env;
  }
  const direct = http.get<readonly string[]>("noProxy", []).join(",");
  return { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, ...(direct === "" ? {} : { NO_PROXY: direct }), ...env };
}
