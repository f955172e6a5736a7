//! Codes of gRPC and gRPC-Web.

super::declare! {
    INVALID_GRPC_TIMEOUT = "invalid_grpc_timeout" Client Route 400
        "the grpc-timeout field of a gRPC call is not one number of at most eight digits with a unit",
        "a client that writes the field by hand",
        "correct the client; its units are H, M, S, m, u and n";
    GRPC_DEADLINE_EXCEEDED = "grpc_deadline_exceeded" Us Receive 504
        "a gRPC call was not over when the time was that its client or the route allows it",
        "a slow service, or a client with a very short deadline",
        "compare head_ms with duration_ms; raise the deadline of the client, or grpc.max_timeout of the route";
    GRPC_NEEDS_HTTP2 = "grpc_needs_http2" Us Connect 502
        "a gRPC call was to be sent to an endpoint over HTTP/1.1, which cannot carry it",
        "an upstream with `protocol: http1` or with `proxy_protocol`, or an endpoint that does not speak HTTP/2",
        "set the upstream's protocol to `h2c`, `http2` or `auto`, or send gRPC to another upstream";
    INVALID_GRPC_WEB = "invalid_grpc_web" Client Receive 400
        "the content of a gRPC-Web request is no base64 although its type says so, or has frames that no request has",
        "a broken client, or something between that changed the content",
        "correct the client; the detail says what is wrong";
    ORIGIN_DENIED = "origin_denied" Client Middleware 403
        "a browser asked whether a page of another origin may call, and that origin is not listed",
        "a page from somewhere else, or an origin missing from `grpc_web.cors.origins`",
        "add the origin if that page is meant to call";
}
