/** Command ids of this extension. The server's own ids are registered from its capabilities, not here. */
export const COMMANDS = {
  evaluate: "apo.client.evaluate",
  gradients: "apo.client.gradients",
  optimize: "apo.client.optimize",
  showCandidates: "apo.client.showCandidates",
  openReport: "apo.client.openReport",
  compareCandidate: "apo.client.compareCandidate",
  applyCandidate: "apo.client.applyCandidate",
  cancel: "apo.client.cancel",
  revokeConsent: "apo.client.revokeConsent",
  reportProblem: "apo.client.reportProblem",
  restart: "apo.client.restart",
  showLogs: "apo.client.showLogs",
  setApiKey: "apo.client.setApiKey",
  testConnection: "apo.client.testConnection",
  openSample: "apo.client.openSample",
  installModel: "apo.client.installModel",
} as const;
