;;; APO for Emacs 28 and newer with Eglot 1.9 and newer: add this to your init file.  -*- lexical-binding: t -*-

(define-derived-mode dotprompt-mode text-mode "Dotprompt"
  "Prompts with front matter and a Handlebars template.")
(add-to-list 'auto-mode-alist '("\\.prompt\\'" . dotprompt-mode))

(with-eval-after-load 'eglot
  ;; :background is what a save begins: "off", "evaluate", "gradients" or "optimize".
  ;; :consent t lets rows leave this machine without being asked for each workspace.
  (add-to-list 'eglot-server-programs
               '((dotprompt-mode :language-id "dotprompt")
                 . ("apo-language-server" "--stdio"
                    :initializationOptions (:background "gradients" :consent :json-false)))))

(add-hook 'dotprompt-mode-hook #'eglot-ensure)

;; Critiques are Flymake diagnostics; `eglot-code-actions' on them offers measured rewrites.

(defun apo--request (method params)
  "Ask the server of this buffer for METHOD with PARAMS."
  (jsonrpc-request (eglot--current-server-or-lose) method params))

(defun apo-command (command)
  "Run the server's COMMAND (apo.evaluate, apo.gradients, apo.optimize, apo.cancel) on this prompt."
  (interactive
   (list (completing-read "APO: " '("apo.evaluate" "apo.gradients" "apo.optimize" "apo.cancel" "apo.showCandidates")
                          nil t)))
  (apo--request :workspace/executeCommand
                (list :command command :arguments (vector (plist-get (eglot--TextDocumentIdentifier) :uri)))))

(defun apo-score ()
  "Show what is known about this prompt; Eglot has no code lenses to show it in."
  (interactive)
  (let ((lenses (apo--request :textDocument/codeLens (list :textDocument (eglot--TextDocumentIdentifier)))))
    (message "%s" (mapconcat (lambda (lens) (plist-get (plist-get lens :command) :title)) lenses " · "))))
