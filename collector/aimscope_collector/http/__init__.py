"""What speaks HTTP: routes of agents as bare ASGI, routes of people with Litestar."""
