"""What every page is made with: templates, texts, forms, moments, and the API's answers under the API's own rules."""
