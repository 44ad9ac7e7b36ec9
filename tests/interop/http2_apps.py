"""An ASGI application without a framework, for what only HTTP/2 does well: hints, trailers, and very many requests."""

HINT = b"</style.css>; rel=preload; as=style"


async def bare(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    trailers = scope["path"] == "/trailers"
    if scope["path"] == "/hints":
        await send({"type": "http.response.early_hint", "links": [HINT]})
    fields = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": fields, "trailers": trailers})
    await send({"type": "http.response.body", "body": b"hello"})
    if trailers:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})
