"""Runs MiniStack 1.5.33, an emulated AWS, and makes it do as AWS does where it differs and the stack would notice:

- OpenAPI bodies: ANY methods are imported, binary media types are understood in both spellings, and the source of API keys
- where that is AUTHORIZER, the key is the one that the authorizer names
- REST events have no version, requestContext.path is what was asked for, path and pathParameters stay percent-encoded, and of a repeated parameter the last value counts
- limits of a method count whatever its path
- a secret that was created without a value has no version
- saved queries of logs, and CodeDeploy, are taken for created

Its settings come from the environment: GATEWAY_PORT, BIND_HOST, AWS_ENDPOINT_URL. Functions inherit that environment."""
import contextvars
import json
import re

import ministack.app as app
import ministack.services.apigateway_v1 as gateway
import ministack.services.cloudformation.provisioners as provisioners
import ministack.services.secretsmanager as secretsmanager

ANY = "x-amazon-apigateway-any-method"
BINARY = "x-amazon-apigateway-binary-media-types"
KEY_SOURCE = "x-amazon-apigateway-api-key-source"


def patch_openapi():
    import_path, import_api = gateway._import_path_item, gateway._import_rest_api
    gateway._OPENAPI_HTTP_METHODS.add("any")

    def path_item(api, path, item, *args, **kwargs):
        import_path(api, path, {"any" if method == ANY else method: v for method, v in item.items()}, *args, **kwargs)

    def rest_api(spec, base_data=None):
        data = dict(base_data or {})
        types = spec.get(BINARY) or data.get("binaryMediaTypes") or []
        data["binaryMediaTypes"] = [t.replace("~1", "/") for t in types]
        data["apiKeySource"] = spec.get(KEY_SOURCE) or data.get("apiKeySource") or "HEADER"
        return import_api(spec, data)

    gateway._import_path_item, gateway._import_rest_api = path_item, rest_api


def patch_events():
    serve, build = app.app, gateway._build_lambda_event_v1
    raw_path = contextvars.ContextVar("raw_path", default="")

    async def keep_path(scope, receive, send):
        if scope.get("type") == "http":
            raw_path.set(scope.get("raw_path", b"").split(b"?")[0].decode("ascii", "replace"))
        return await serve(scope, receive, send)

    def encoded(stage):
        """The request's path below the stage as it was sent, or None."""
        _, marker, below = raw_path.get().partition("/_user_request_")
        if marker:
            return below or "/"
        if raw_path.get().startswith(f"/{stage}"):
            return raw_path.get().removeprefix(f"/{stage}") or "/"
        return None

    def parameters(resource, path):
        """The path parameters, percent-encoded: {name} is a segment, {name+} the rest."""
        pattern = re.sub(r"\\{(\w+)(\\\+)?\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(resource))
        match = re.fullmatch(pattern, path)
        return match.groupdict() if match else {}

    def event(api, stage_name, stage, resource, *args, **kwargs):
        e = build(api, stage_name, stage, resource, *args, **kwargs)
        e.pop("version", None)  # that is how HTTP APIs differ
        path = encoded(stage_name)
        if path is not None:
            e["path"] = path
            e["requestContext"]["path"] = raw_path.get() if raw_path.get().endswith(path) else raw_path.get() + path
            e["pathParameters"] = parameters(resource["path"], path) or e["pathParameters"]
        values = e.get("multiValueQueryStringParameters")
        if values:
            e["queryStringParameters"] = {name: v[-1] for name, v in values.items()}
        return e

    app.app, gateway._build_lambda_event_v1 = keep_path, event


def patch_keys():
    authorize, invoke, of_request = gateway._authorize_request_v1, gateway._invoke_authorizer_lambda, gateway._api_key_from_request
    named = contextvars.ContextVar("named", default=None)  # None: the header counts

    async def authorized(api_id, *args, **kwargs):
        source = next((api["apiKeySource"] for (_, _, name), api in gateway._rest_apis.all_items() if name == api_id), "HEADER")
        named.set("" if source == "AUTHORIZER" else None)
        return await authorize(api_id, *args, **kwargs)

    async def invoked(*args, **kwargs):
        result = await invoke(*args, **kwargs)
        answer = (result or {}).get("body")
        answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        if named.get() is not None and isinstance(answer, dict):
            named.set(answer.get("usageIdentifierKey") or "")
        return result

    gateway._authorize_request_v1, gateway._invoke_authorizer_lambda = authorized, invoked
    gateway._api_key_from_request = lambda headers: of_request(headers) if named.get() is None else named.get()


def patch_limits():
    find = gateway._method_throttle_settings

    def settings(stage, path, method):
        """Those of CloudFormation's way to write a path, in which ~1 is a slash."""
        own = (stage.get("methodSettings") or {}).get("/" + path.replace("/", "~1") + "/" + method)
        return own or find(stage, path, method)

    gateway._method_throttle_settings = settings


def patch_secrets():
    find = secretsmanager._find_stage_version

    def with_value(secret, stage):
        version, value = find(secret, stage)
        if value and not value.get("SecretString") and not value.get("SecretBinary"):
            return None, None
        return version, value

    secretsmanager._find_stage_version = with_value


def patch_resources():
    """Kinds of resources that it does not know, and that nothing here asks for."""
    for kind in ("AWS::Logs::QueryDefinition", "AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"):
        provisioners._RESOURCE_HANDLERS.setdefault(kind, {"create": lambda name, *_: (name, {}), "delete": lambda *_: None})


patch_openapi()
patch_events()
patch_keys()
patch_limits()
patch_secrets()
patch_resources()
app.main()
