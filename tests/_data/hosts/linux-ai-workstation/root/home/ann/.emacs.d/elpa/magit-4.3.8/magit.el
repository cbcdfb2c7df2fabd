;;; magit.el
