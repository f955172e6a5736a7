"""Scripts the cloud. Everything is JSON; a GET of `get` names the attribute as its only parameter, `get?log=`.

POST /_cloud/set     {"attribute": value, ...}: sets what state.py names, such as `offset`, `keys`, `looks`, `lists`
POST /_cloud/fault   {"kind": refuse|html|torn|drop|cut|slow, "action"?, "times"?, "after"?, "done"?, "code"?, "status"?, "headers"?, "seconds"?}
GET  /_cloud/log     what was asked so far
GET  /_cloud/get?x   an attribute
"""

import json

from wire import json_reply


def answer(cloud, request):
    what = request.path.removeprefix("/_cloud/")
    with cloud.lock:
        if what == "log":
            return json_reply(200, cloud.log)
        if what == "get":
            return json_reply(200, getattr(cloud, request.query[0][0]))
        value = json.loads(request.body)
        if what == "fault":
            cloud.faults.append(value)
        elif what == "set":
            for name, new in value.items():
                if not hasattr(cloud, name):
                    return json_reply(404, {"error": "the cloud has no " + name})
                setattr(cloud, name, new)
        else:
            return json_reply(404, {"error": what})
        return json_reply(200, {})
