"""Pages: one module each with its ``ROUTES``, found by walking this folder.

A page asks the API's own handlers (``frame.asking.ask``) and draws what they answer with a template of ``templates/``.
A form is sent to a page, which asks the API and sees on (``frame.shown.go``).
"""
