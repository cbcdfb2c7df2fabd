;;; copilot-chat.el
