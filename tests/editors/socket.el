;;; A real Eglot over a socket, with a token.  -*- lexical-binding: t -*-

(package-initialize)
(require 'eglot)
(define-derived-mode dotprompt-mode text-mode "Dotprompt")
(add-to-list 'auto-mode-alist '("\\.prompt\\'" . dotprompt-mode))
(cl-defmethod eglot-initialization-options ((_server eglot-lsp-server))
  (list :background "off" :token (getenv "APO_TOKEN")))
(add-to-list 'eglot-server-programs
             (cons '(dotprompt-mode :language-id "dotprompt")
                   (list "127.0.0.1" (string-to-number (getenv "APO_PORT")))))
(setq eglot-sync-connect 10)
(find-file "a.prompt")
(condition-case trouble
    (progn
      (call-interactively #'eglot)
      (let ((tries 100))
        (while (and (> tries 0) (not (flymake-diagnostics)))
          (sleep-for 0.1)
          (setq tries (1- tries))))
      (dolist (found (flymake-diagnostics))
        (message "found: %s" (flymake-diagnostic-text found))))
  (error (message "trouble: %S" trouble)))
