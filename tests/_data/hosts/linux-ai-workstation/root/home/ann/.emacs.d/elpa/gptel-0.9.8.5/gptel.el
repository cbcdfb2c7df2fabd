;;; gptel.el
