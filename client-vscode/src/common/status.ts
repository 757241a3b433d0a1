import { languages, LanguageStatusSeverity } from "vscode";

import { describe, type ServerState } from "../server/state";
import { COMMANDS } from "./commandIds";
import { PROMPT_DOCUMENTS } from "./documents";

const SEVERITIES = {
  information: LanguageStatusSeverity.Information,
  warning: LanguageStatusSeverity.Warning,
  error: LanguageStatusSeverity.Error,
};

/** The entry in the editor's language status: what the server is doing, and the way to its log. */
export interface Status {
  show: (state: ServerState) => void;
  dispose: () => void;
}

export function createStatus(): Status {
  const item = languages.createLanguageStatusItem("apo.server", [...PROMPT_DOCUMENTS]);
  item.name = "APO language server";
  item.command = { title: "Open logs", command: COMMANDS.showLogs };
  return {
    show: (state) => {
      const { text, detail, severity, busy } = describe(state);
      Object.assign(item, { text, detail, busy, severity: SEVERITIES[severity] });
    },
    dispose: () => {
      item.dispose();
    },
  };
}
