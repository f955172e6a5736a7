//! Codes of HTTP/2, either side.

super::declare! {
    CLIENT_CANCELLED = "client_cancelled" Client Receive 0
        "the client reset the stream before the answer was complete",
        "a user who left or stopped loading, or a client whose own timeout is shorter than the answer takes",
        "compare duration_ms with the timeout of the client";
    CONNECTION_FIELD = "connection_field" Client Route 400
        "the request has a field that only concerns a connection of HTTP/1.1, such as Connection or Transfer-Encoding",
        "a gateway in front that translates without removing them, or somebody trying to smuggle a request",
        "correct the client (RFC 9113 section 8.2.2)";
    H2_PROTOCOL_ERROR = "h2_protocol_error" Client Receive 0
        "the client broke the rules of HTTP/2 for the connection, which was ended with GOAWAY",
        "a broken client, a scanner, or a client that does not speak HTTP/2 at all",
        "read the detail, which names the error code of RFC 9113 section 7";
    H2_STREAM_ERROR = "h2_stream_error" Client Receive 0
        "the client broke the rules of HTTP/2 on a stream, which was reset",
        "content that does not have the announced length, or frames after the end of the stream",
        "correct the client; the detail names the error code of RFC 9113 section 7";
    H2_FLOOD = "h2_flood" Client Receive 0
        "the client sent more frames of little use than a connection may",
        "somebody trying to exhaust the gateway, or a very broken client",
        "nothing; block the address if it goes on";
    H2_RAPID_RESET = "h2_rapid_reset" Client Receive 0
        "the client opened and reset streams faster than honest clients do",
        "somebody trying to exhaust the gateway (CVE-2023-44487)",
        "nothing; block the address if it goes on";
    H2_INDUCED_RESETS = "h2_induced_resets" Client Receive 0
        "the client made the gateway reset streams faster than honest clients do",
        "somebody trying to exhaust the gateway (CVE-2025-8671), or a very broken client",
        "nothing; block the address if it goes on";
    H2_CONTINUATION_FLOOD = "h2_continuation_flood" Client Receive 0
        "the client cut a head into more CONTINUATION frames than a connection may",
        "somebody trying to exhaust the gateway",
        "nothing; block the address if it goes on";
    H2_SETTINGS_FLOOD = "h2_settings_flood" Client Receive 0
        "the client sent more SETTINGS frames than a connection may",
        "somebody trying to exhaust the gateway",
        "nothing; block the address if it goes on";
    H2_PING_FLOOD = "h2_ping_flood" Client Receive 0
        "the client sent more PING frames than a connection may",
        "somebody trying to exhaust the gateway, or a client with a keep-alive interval far too short",
        "raise the interval of the client's keep-alive; block the address if it is not yours";
    H2_PRIORITY_FLOOD = "h2_priority_flood" Client Receive 0
        "the client sent more PRIORITY frames than a connection may",
        "somebody trying to exhaust the gateway",
        "nothing; block the address if it goes on";
    H2_WINDOW_UPDATE_FLOOD = "h2_window_update_flood" Client Receive 0
        "the client sent more WINDOW_UPDATE frames than what it was sent can explain",
        "somebody trying to exhaust the gateway",
        "nothing; block the address if it goes on";
    H2_EMPTY_FRAMES = "h2_empty_frames" Client Receive 0
        "the client sent more frames with nothing in them than a connection may",
        "somebody trying to exhaust the gateway",
        "nothing; block the address if it goes on";
    H2_UNKNOWN_FRAMES = "h2_unknown_frames" Client Receive 0
        "the client sent more frames of unknown types than a connection may",
        "somebody trying to exhaust the gateway, or a client with an extension that is not spoken here",
        "nothing; block the address if it goes on";
    STREAM_REFUSED = "stream_refused" Upstream Receive 502
        "the endpoint refused the request or was going away before it began with it, and there was nobody else to ask",
        "an endpoint that is overloaded or stops while all others are gone",
        "look at the endpoint's own log; add endpoints";
    STREAM_RESET = "stream_reset" Upstream Receive 502
        "the endpoint reset the stream of the request",
        "a service that failed in the middle of an answer, or that takes the request for wrong",
        "read the detail, which names the error code of RFC 9113 section 7, and the service's own log";
    H2_TO_ENDPOINT_FAILED = "h2_to_endpoint_failed" Upstream Connect 502
        "HTTP/2 could not be spoken with the endpoint",
        "an endpoint that does not speak it, or not on this port",
        "set the upstream's protocol to `auto` or `http1`, or turn HTTP/2 on at the endpoint";
    ENDPOINT_PROTOCOL_ERROR = "endpoint_protocol_error" Upstream Receive 502
        "the endpoint broke the rules of HTTP/2",
        "a broken service, or something between that does not speak HTTP/2",
        "read the detail; set the upstream's protocol to `http1` until the service is mended";
    PING_TIMEOUT = "ping_timeout" Upstream Receive 504
        "the endpoint did not answer a PING in time and its connection was given up",
        "an endpoint that hangs or is gone, or a firewall between that forgot the connection",
        "look at the endpoint; if it is only slow, raise the upstream's `http2.ping_timeout`";
}
