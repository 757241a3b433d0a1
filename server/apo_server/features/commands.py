"""The names of the commands; all but the test of the connection take a prompt's address as first argument."""

from __future__ import annotations

EVALUATE = "apo.evaluate"
GRADIENTS = "apo.gradients"
OPTIMIZE = "apo.optimize"
CANCEL = "apo.cancel"
IGNORE_CRITIQUE = "apo.ignoreCritique"
SHOW_CANDIDATES = "apo.showCandidates"
REVOKE_CONSENT = "apo.revokeConsent"
EXPLAIN_CRITIQUE = "apo.explainCritique"
RESTORE_CRITIQUES = "apo.restoreCritiques"
OPEN_REPORT = "apo.openReport"
RUN_ROW = "apo.runRow"
REPORT = "apo.report"
APPLY_CANDIDATE = "apo.applyCandidate"
TEST_CONNECTION = "apo.testConnection"
