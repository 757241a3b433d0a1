import type { WorkspaceConfiguration } from "vscode";

/** The variables in which the server takes a key and the address of an endpoint. */
const KEY = "OPENAI_API_KEY";
const BASE_URL = "OPENAI_BASE_URL";

/** The setting `apo.baseUrl`, from the user's own settings alone: a workspace must not lead the key elsewhere. */
export function baseUrl(configuration: Pick<WorkspaceConfiguration, "inspect">): string {
  return configuration.inspect<string>("baseUrl")?.globalValue?.trim() ?? "";
}

/** `env` with what the user has stored and set; what is not set here stays as it is there. */
export function withEndpoint(env: NodeJS.ProcessEnv, key: string | undefined, url: string): NodeJS.ProcessEnv {
  return {
    ...env,
    ...(key === undefined || key === "" ? {} : { [KEY]: key }),
    ...(url === "" ? {} : { [BASE_URL]: url }),
  };
}

/** Whether something in `env` says which remote models are meant. */
export function namesEndpoint(env: NodeJS.ProcessEnv): boolean {
  return [env[KEY], env[BASE_URL]].some((value) => value !== undefined && value.trim() !== "");
}
