;;; APO for Emacs 29 and newer (eglot): add this to your init file.

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

(defun apo-command (command)
  "Run the server's COMMAND (apo.evaluate, apo.gradients, apo.optimize, apo.cancel) on this prompt."
  (interactive
   (list (completing-read "APO: " '("apo.evaluate" "apo.gradients" "apo.optimize" "apo.cancel" "apo.showCandidates")
                          nil t)))
  (jsonrpc-async-request (eglot--current-server-or-lose) :workspace/executeCommand
                         (list :command command
                               :arguments (vector (plist-get (eglot--TextDocumentIdentifier) :uri)))))
