;;; The journey of a user in batch Emacs: open, save, read, apply, save, see the score.  -*- lexical-binding: t -*-
;; What was seen goes into a JSON file.

(require 'cl-lib)
(package-initialize)
(require 'eglot)
(load (getenv "APO_EMACS_CLIENT") nil t)

(defvar seen (make-hash-table))

(defun note (what value) (puthash what value seen))

(defun until (what condition)
  "Wait until CONDITION gives something true; WHAT names it."
  (let ((deadline (+ (float-time) 30)) found)
    (while (not (setq found (funcall condition)))
      (when (> (float-time) deadline)
        (error "%s never came" what))
      (accept-process-output nil 0.02)
      (flymake-start))
    found))

(defun visit (file)
  "Open FILE as a user does; in batch nobody runs the hook that connects."
  (find-file file)
  (run-hooks 'post-command-hook)
  (until "the server" (lambda () (bound-and-true-p eglot--managed-mode)))
  (flymake-mode 1))

(defun texts () (mapcar #'flymake-diagnostic-text (flymake-diagnostics)))

(defun critiques ()
  (cl-remove-if-not (lambda (found) (string-match-p "explains [0-9]+ %" (flymake-diagnostic-text found)))
                    (flymake-diagnostics)))

(defun score ()
  "The score as it is once nothing runs."
  (until "the score" (lambda () (let ((shown (apo-score))) (and (string-prefix-p "acc " shown) shown)))))

(defun journey ()
  (visit "broken.prompt")
  (until "the parse error" #'flymake-diagnostics)
  (let ((found (car (flymake-diagnostics))))
    (note 'broken (vector (line-number-at-pos (flymake-diagnostic-beg found))
                          (buffer-substring (flymake-diagnostic-beg found) (flymake-diagnostic-end found)))))

  (visit "tickets.prompt")
  (note 'mode (symbol-name major-mode))
  (set-buffer-modified-p t)
  (save-buffer)
  (until "the critiques" #'critiques)
  (note 'before (score))
  (note 'critiques (vconcat (texts)))
  (goto-char (flymake-diagnostic-beg (car (critiques))))
  (note 'line (buffer-substring (line-beginning-position) (line-end-position)))

  (let (hover)
    (eglot-hover-eldoc-function (lambda (text &rest _) (setq hover text)))
    (note 'hover (substring-no-properties (until "the hover" (lambda () hover)))))

  (let ((text (buffer-string)) (last-nonmenu-event ?x))
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_prompt items &rest _)
                 (note 'actions (vconcat (mapcar #'car items)))
                 (cl-find-if (lambda (title) (string-prefix-p "Apply rewrite: +" title)) (mapcar #'car items)))))
      (eglot-code-actions (point) (point) "quickfix" t))
    (until "the rewrite" (lambda () (not (equal text (buffer-string))))))
  (save-buffer)
  (until "another score" (lambda () (not (string-match-p "before your edits\\|^Evaluat\\|…" (apo-score)))))
  (note 'after (score))
  (eglot-shutdown (eglot-current-server) nil nil t))

(condition-case trouble
    (journey)
  (error (note 'trouble (format "%S" trouble))))
(with-temp-file (getenv "APO_SEEN")
  (insert (json-encode seen)))
