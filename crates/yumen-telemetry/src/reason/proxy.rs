//! Codes of the data path, in the order a connection walks it.

super::declare! {
    TOO_MANY_CONNECTIONS = "too_many_connections" Us Accept 0
        "the listener had as many connections open as it may have",
        "more clients than the limit allows, or clients that keep idle connections open",
        "raise the listener's connection limit, or shorten its idle timeout";
    PROXY_SOURCE_DENIED = "proxy_source_denied" Client Accept 0
        "the listener takes connections from certain proxies only, and this one came from elsewhere",
        "a client that goes around the proxy in front, or a proxy whose address is missing in the list",
        "if it is a proxy of yours, add its address to proxy_protocol.from; else keep clients from reaching the listener";
    PROXY_HEADER_MISSING = "proxy_header_missing" Client Accept 0
        "a connection from a proxy did not begin with a PROXY header",
        "the proxy in front does not send the PROXY protocol, or its health check connects without",
        "turn it on there (send-proxy-v2, proxy_protocol on), for its checks too; or remove proxy_protocol here";
    PROXY_HEADER_INVALID = "proxy_header_invalid" Client Accept 0
        "the PROXY header of a connection is malformed or of a version that is not taken",
        "a defect of the proxy in front, or a version that the listener does not name",
        "read the detail; allow the version in proxy_protocol.versions, or correct the proxy";
    PROXY_HEADER_TIMEOUT = "proxy_header_timeout" Client Accept 0
        "a proxy connected and did not send a whole PROXY header in time",
        "a proxy that waits for its client's first bytes, or a check that connects and stays silent",
        "nothing, unless it is frequent: then look at the proxy, or raise proxy_protocol.timeout";
    SESSION_DISPLACED = "session_displaced" Us Accept 0
        "a session of datagrams that was never answered gave way to a new one, because there were as many as there may be",
        "a flood of datagrams with false senders, or a limit below what the clients need",
        "raise the listener's limit of sessions or shorten its idle timeout; against a flood, let access name the networks of the clients";
    IP_DENIED = "ip_denied" Client Middleware 403
        "the client's address is not allowed",
        "an allow or deny list names the address, or does not name it",
        "check the lists; behind another proxy, check that it is trusted to name the client's address";
    DRAINING = "draining" Us Accept 503
        "the gateway is shutting down and takes nothing new",
        "a stop was asked for while the client still sent requests",
        "let the load balancer in front watch /readyz and wait before it stops the process";
    INTERNAL = "internal" Us Middleware 500
        "the gateway failed by a defect of its own",
        "a panic, which the process log shows with its place",
        "report it with the process log and the request id";

    HANDSHAKE_FAILED = "handshake_failed" Client Handshake 0
        "TLS could not be agreed upon with the client",
        "the client speaks no version or cipher we allow, distrusts the certificate, or is a scanner",
        "read the detail; if honest clients are meant, lower the listener's least TLS version or serve a certificate they trust";
    CLIENT_CERT_MISSING = "client_cert_missing" Client Handshake 0
        "the client showed no certificate where one is required",
        "a client without a certificate, or one that found none of its own among the authorities we name",
        "give the client a certificate of an authority in client_auth.ca; mode optional lets others in";
    CLIENT_CERT_UNTRUSTED = "client_cert_untrusted" Client Handshake 0
        "the client's certificate is of an authority that is not trusted here",
        "a certificate of another authority, or one sent without the intermediate certificates",
        "add the authority to client_auth.ca, or let the client send its whole chain";
    CLIENT_CERT_EXPIRED = "client_cert_expired" Client Handshake 0
        "the client's certificate is not valid any more, or not yet",
        "a certificate that was not renewed, or a wrong clock on either side",
        "renew the client's certificate, or correct the clock";
    CLIENT_CERT_REVOKED = "client_cert_revoked" Client Handshake 0
        "the client's certificate was revoked, or no valid list tells whether it was",
        "a revoked certificate; or the list in client_auth.crl is overdue, or missing for an authority of the chain",
        "read the detail; renew the list, or give the client another certificate";
    CLIENT_CERT_REFUSED = "client_cert_refused" Client Handshake 0
        "the client's certificate cannot be used",
        "a certificate that is not meant for clients, or is malformed",
        "read the detail; issue one with the extended key usage clientAuth";
    HANDSHAKE_TIMEOUT = "handshake_timeout" Client Handshake 0
        "the client did not finish the TLS handshake in time",
        "a client that connects and stays silent, or a very slow network",
        "nothing, unless honest clients are slow: then raise the handshake timeout";
    NO_CERTIFICATE = "no_certificate" Us Handshake 0
        "no certificate fits the server name the client asked for",
        "the name is missing in the listener's certificates, or the client sent no name and there is no default",
        "add a certificate for the name, or a wildcard that covers it";
    NOT_TLS = "not_tls" Client Handshake 0
        "the first bytes on a TLS listener were not TLS",
        "a client that speaks plain HTTP to the TLS port",
        "use https in the client's address, or send the client to the plain listener";
    SNI_MISSING = "sni_missing" Client Handshake 0
        "the client named no server, and this listener chooses by that name",
        "an old client, or one that connects to an address instead of a name",
        "connect by name, or configure a route for connections without a name";
    SNI_UNKNOWN = "sni_unknown" Client Handshake 0
        "no route of this listener is meant for the server name the client asked for",
        "a name in DNS that the configuration does not know, or a scanner",
        "add a route for the name";

    CLIENT_HEAD_TIMEOUT = "client_head_timeout" Client Route 408
        "the client did not send a whole request head in time",
        "a very slow client, or one that holds connections open on purpose",
        "nothing, unless honest clients are slow: then raise the listener's head timeout";
    HOST_NOT_ALLOWED = "host_not_allowed" Client Route 421
        "the request is for a host this listener does not serve",
        "a name in DNS that the configuration does not know, or a scanner",
        "add a route for the host";
    ABSOLUTE_FORM_REFUSED = "absolute_form_refused" Client Route 400
        "the request line holds a whole URL, as one sends it to a forward proxy",
        "a client that takes the gateway for a forward proxy",
        "remove the proxy setting of the client";
    CONNECT_METHOD_REFUSED = "connect_method_refused" Client Route 405
        "the method CONNECT is not served here",
        "a client that takes the gateway for a forward proxy, or a scanner",
        "remove the proxy setting of the client";
    INVALID_MAX_FORWARDS = "invalid_max_forwards" Client Route 400
        "the field Max-Forwards of a TRACE or OPTIONS request is no number, or stands there twice",
        "a broken client, or a probe",
        "correct the client: one field with digits only (RFC 9110 section 7.6.2)";
    TRACE_NOT_SERVED = "trace_not_served" Client Route 501
        "a TRACE request may go no further, and the gateway does not reflect requests",
        "a client that traces the way of its requests with Max-Forwards, or a scanner",
        "nothing: routes pass TRACE on to endpoints unless their methods leave it out";
    MISDIRECTED_REQUEST = "misdirected_request" Client Route 421
        "the request is for a host whose policy about client certificates is not the one the TLS handshake met",
        "a client that reuses a connection for another host, names one host in TLS and another in the request, or keeps a connection over a change of the policy",
        "nothing: clients repeat it on a new connection; else align Host and server name";
    NO_ROUTE = "no_route" Us Route 404
        "no route met the request",
        "host, path, method or a condition fits none of the listener's routes",
        "ask yumen explain with the method and URL: it says why each near route did not match";
    NO_UPSTREAM = "no_upstream" Us Route 500
        "the route has no upstream, and no middleware answered the request",
        "a route that only redirects or answers in certain cases",
        "give the route an upstream, or a middleware that always answers";
    EXPECTATION_FAILED = "expectation_failed" Client Route 417
        "the request expects something other than 100-continue",
        "a client with an Expect field of its own invention",
        "remove the Expect field in the client";
    UPGRADE_REFUSED = "upgrade_refused" Us Route 403
        "the route does not allow the protocol the client wants to change to",
        "a WebSocket or other upgrade on a route that does not allow it",
        "allow upgrades on the route";
    UNKNOWN_PROTOCOL = "unknown_protocol" Client Route 501
        "an extended CONNECT names a protocol other than websocket",
        "a client that wants to tunnel something else over HTTP/2",
        "use a WebSocket, or a TCP listener";

    AUTH_REQUIRED = "auth_required" Client Middleware 401
        "the request carried no credentials",
        "the first request of a browser, or a client without a password",
        "send credentials; a browser does so after it asked its user";
    AUTH_FAILED = "auth_failed" Client Middleware 401
        "the credentials were wrong",
        "unknown user, wrong password, or somebody guessing",
        "correct the client's credentials or the user file";
    AUTH_BUSY = "auth_busy" Us Middleware 503
        "too many passwords wait to be checked",
        "somebody guessing passwords in bulk, or hashes that cost too much for this machine",
        "limit who may ask with an ip middleware, or lower the cost of the hashes";
    AUTH_UNAVAILABLE = "auth_unavailable" Us Middleware 503
        "the secret with the users' passwords could not be read yet, so nobody of it can be let in",
        "KMS has not answered since the gateway began, the account may not read the secret, or it holds no password lines",
        "see the duty of the secret in yumen status for what is wrong";
    BODY_TOO_LARGE = "body_too_large" Client Middleware 413
        "the request's content is larger than the route allows",
        "an upload beyond the body limit",
        "raise the body limit of the route";

    NO_HEALTHY_ENDPOINT = "no_healthy_endpoint" Upstream Connect 503
        "the upstream has no endpoint that may be sent traffic",
        "all endpoints fail their health checks, or none is configured or resolved",
        "see yumen status for what the checks find";
    UPSTREAM_FULL = "upstream_full" Us Connect 503
        "the upstream had as many connections open as it may have",
        "endpoints slower than the traffic needs, or a limit that is too low",
        "raise the upstream's connection limit, or add endpoints";
    NOTHING_DISCOVERED = "nothing_discovered" Upstream Connect 503
        "no endpoint of the upstream was found in the cloud",
        "no instance or server fits what is looked for, or the cloud never answered since the gateway was set up",
        "see yumen status for what the discovery of this upstream says";
    RESOLVE_FAILED = "resolve_failed" Upstream Connect 502
        "the endpoint's name could not be resolved",
        "a wrong name, or a DNS server that does not answer",
        "resolve the name on this host, and check the name in the configuration";
    H3_MESSAGE_ERROR = "h3_message_error" Client Receive 400
        "a request of HTTP/3 broke a rule of the protocol, or its content is not as long as its Content-Length says",
        "a defect of the client, or somebody probing for smuggling",
        "correct the client; the detail says what was wrong (RFC 9114 section 4.1.2)";
    ENDPOINT_WITHDRAWN = "endpoint_withdrawn" Upstream Receive 0
        "the endpoint of a session of datagrams was taken out of use",
        "it failed its health checks, its name has another address, or a reload removed it or gave the listener another upstream",
        "nothing: the next datagram of the client begins a session with another endpoint";
    CONNECT_REFUSED = "connect_refused" Upstream Connect 502
        "the endpoint refused the connection",
        "nothing listens on its address and port: the service is down or starting",
        "start the service, or correct the address";
    CONNECT_TIMEOUT = "connect_timeout" Upstream Connect 504
        "the endpoint did not accept the connection in time",
        "a firewall that swallows packets, a host that is down, or a full accept queue",
        "reach the address from this host by other means; check firewalls and the endpoint's load";
    CONNECT_UNREACHABLE = "connect_unreachable" Upstream Connect 502
        "there is no way to the endpoint's address",
        "a missing route, a network that is down, or an address of another network",
        "check the routes of this host and the address";
    OUT_OF_PORTS = "out_of_ports" Us Connect 503
        "the host has no local port left for a connection to this endpoint",
        "very many short connections to one address",
        "let connections be reused, add endpoints, or widen the host's range of ephemeral ports";
    CONNECT_FAILED = "connect_failed" Upstream Connect 502
        "the connection to the endpoint failed for another reason",
        "the detail holds the operating system's words",
        "read the detail; a limit of open files is a frequent one";
    TLS_TO_ENDPOINT_FAILED = "tls_to_endpoint_failed" Upstream Connect 502
        "TLS could not be agreed upon with the endpoint",
        "a certificate that is expired, for another name, or of an unknown authority; or a port that speaks no TLS",
        "read the detail; set the upstream's authority or server name, or renew the endpoint's certificate";

    CLIENT_BODY_TIMEOUT = "client_body_timeout" Client Send 408
        "the client stopped sending its content",
        "a client that lost its network, or holds connections open on purpose",
        "nothing, unless honest clients are slow: then raise the listener's body timeout";
    CLIENT_TOO_SLOW = "client_too_slow" Client Send 408
        "the client sent its content, or read the answer, more slowly than the least rate",
        "a very slow network, or a client that is slow on purpose",
        "nothing, unless honest clients are slow: then lower the least rate";
    CLIENT_GONE = "client_gone" Client Receive 0
        "the client closed its connection before the answer was complete",
        "a user who left, or a client whose own timeout is shorter than the answer takes",
        "compare duration_ms with the timeout of the client";
    CLIENT_RESET = "client_reset" Client Receive 0
        "the client's connection was reset",
        "a client that crashed or left, or a firewall between",
        "nothing, unless it is frequent: then look at what stands between";
    CLIENT_WRITE_TIMEOUT = "client_write_timeout" Client Receive 0
        "the client stopped reading the answer",
        "a client that lost its network, or holds connections open on purpose",
        "nothing, unless honest clients are slow: then raise the listener's write timeout";

    ENDPOINT_RESET = "endpoint_reset" Upstream Receive 502
        "the endpoint reset the connection before its answer was complete",
        "a service that crashed or was restarted, or a firewall between that forgot the connection",
        "look at the service's own log at this time";
    ENDPOINT_CLOSED_EARLY = "endpoint_closed_early" Upstream Receive 502
        "the endpoint closed the connection before it answered",
        "a service that was restarted, or whose keep-alive timeout is shorter than that of the upstream's pool",
        "make the upstream's idle timeout shorter than the keep-alive timeout of the service";
    HEAD_TIMEOUT = "head_timeout" Upstream Receive 504
        "the endpoint did not answer in time",
        "a service that is slow, overloaded or waits for something else",
        "look at the service; if it may take that long, raise the upstream's head timeout";
    BODY_IDLE_TIMEOUT = "body_idle_timeout" Upstream Receive 504
        "the endpoint stopped sending in the middle of its answer",
        "a service that is stuck, or streams with pauses",
        "look at the service; if it streams with pauses, raise the upstream's idle timeout";
    BODY_TRUNCATED = "body_truncated" Upstream Receive 502
        "the endpoint's answer ended before all of it was sent",
        "a service that crashed while it answered, or announces a wrong Content-Length",
        "look at the service's own log; the client was not told that the answer is complete";
    REQUEST_TIMEOUT = "request_timeout" Us Receive 504
        "the whole exchange took longer than the route allows",
        "a slow service, retries that used up the time, or a large transfer",
        "compare connect_ms and head_ms with duration_ms; raise the route's timeout if that long is right";
    UPGRADE_FAILED = "upgrade_failed" Upstream Receive 502
        "the endpoint changed the protocol without being asked, or to another one",
        "a service that breaks the rules of Upgrade",
        "look at what the service answers to the Upgrade field";
    TUNNEL_IDLE_TIMEOUT = "tunnel_idle_timeout" Us Receive 0
        "neither side of an upgraded or relayed connection sent anything for too long",
        "a peer that vanished, or a protocol with long silences",
        "let the application send keep-alives, or raise the tunnel's idle timeout";
}
