"""The public conformance suite, data-apis/array-api-tests, over a library and over our namespace of it."""
