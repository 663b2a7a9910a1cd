//! Replies against the tables: what a server answers must keep to the model too, and hold nothing that is not in it (API-C-8).

use serde_json::Value;

use crate::{Invalid, Operation, Reason, check::Walk, invalid::Problems};

/// Checks the body of a success. Every required member is there, every value within its bounds, and no member is unknown or null.
/// Where there is nothing to answer, the body is empty or an empty object.
pub fn check_reply(operation: Operation, body: &str) -> Result<(), Invalid> {
    let other = |message: String| Err(Invalid::new(Reason::CannotParse, message));
    let Some(shape) = operation.output().filter(|shape| !shape.members().is_empty()) else {
        return if matches!(body, "" | "{}") { Ok(()) } else { other("the body must be empty".to_owned()) };
    };
    let reply: Value = match serde_json::from_str(body) {
        Ok(reply) => reply,
        Err(error) => return other(format!("the body is not JSON: {error}")),
    };
    let mut problems = Problems::default();
    let mut tidied = reply.clone();
    Walk::new(&mut problems).check(shape, &mut tidied);
    problems.into_result()?;
    if tidied == reply {
        return Ok(());
    }
    other("the body has members that are unknown or null, or whole numbers with a point".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace() -> Value {
        json!({ "workspace": {
            "workspaceId": "ws-1",
            "arn": "arn:aws:aps:eu-west-1:123456789012:workspace/ws-1",
            "status": { "statusCode": "ACTIVE" },
            "createdAt": 1696965739.014,
        } })
    }

    #[test]
    fn replies_hold_what_they_must_and_nothing_else() {
        let check = |reply: &Value| check_reply(Operation::DescribeWorkspace, &reply.to_string());
        assert_eq!(check(&workspace()), Ok(()));
        for (pointer, value, name) in [
            ("createdAt", json!("2023-10-12T15:22:19Z"), Some("workspace.createdAt")),
            ("status", json!({ "statusCode": "READY" }), Some("workspace.status.statusCode")),
            ("status", json!({}), Some("workspace.status.statusCode")),
            ("workspaceId", json!(""), Some("workspace.workspaceId")),
            ("alias", json!(null), None),
            ("owner", json!("x"), None),
        ] {
            let mut reply = workspace();
            reply["workspace"][pointer] = value;
            let invalid = check(&reply).expect_err(pointer);
            assert_eq!(invalid.fields.first().map(|field| field.name.as_str()), name, "{invalid}");
        }
        assert!(check(&json!([])).is_err());
    }

    #[test]
    fn nothing_is_answered_with_nothing() {
        for operation in [Operation::DeleteWorkspace, Operation::TagResource] {
            assert_eq!(check_reply(operation, ""), Ok(()));
            assert_eq!(check_reply(operation, "{}"), Ok(()));
            assert!(check_reply(operation, r#"{"a": 1}"#).is_err());
        }
    }
}
