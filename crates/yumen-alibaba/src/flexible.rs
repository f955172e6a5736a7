//! Reads answers whose fields change their type between operations: a weight is a number in one and a text in another.
//! Absent and `null` become the default.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::Value;

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a truth value")
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<String, E> {
        Ok(value)
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
}

/// A text that may come as a number or a truth value.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(Text)
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a text that is one")
    }

    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<i64, E> {
        if value.is_empty() {
            return Ok(0);
        }
        value.parse().map_err(|_| E::invalid_value(Unexpected::Str(value), &self))
    }

    fn visit_unit<E>(self) -> Result<i64, E> {
        Ok(0)
    }
}

/// A whole number that may come as a text; an empty one is 0.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_any(Number)
}

struct Flag;

impl<'de> Visitor<'de> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false, as such, as a text or as 1 or 0")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
        Ok(value != 0)
    }

    fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
        Ok(value != 0)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<bool, E> {
        match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" | "" => Ok(false),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// A truth value that may come as a text or a number.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(Flag)
}

struct Nested<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Nested<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or an object with one list in it")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while map.next_key::<IgnoredAny>()?.is_some() {
            list.extend(map.next_value::<Option<Vec<T>>>()?.unwrap_or_default());
        }
        Ok(list)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(list)
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }
}

/// A list in the form of the older products: `{"Domain": [...]}` where `[...]` is meant.
pub(crate) fn nested<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Nested(PhantomData))
}

/// Addresses in a list, nested or not; a text that is none is left out, so that one does not hide all others.
pub(crate) fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    let texts: Vec<String> = nested(deserializer)?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Reads an answer; what is `null` in it is taken for absent when it cannot be read otherwise.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body).or_else(|error| {
        let mut value: Value = serde_json::from_slice(body)?;
        drop_nulls(&mut value);
        // The first error knows its place.
        T::deserialize(value).map_err(|_| error)
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize, Default, Debug, PartialEq)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "super::text")]
        text: String,
        #[serde(deserialize_with = "super::number")]
        number: i64,
        #[serde(deserialize_with = "super::flag")]
        flag: bool,
        #[serde(deserialize_with = "super::nested")]
        list: Vec<u8>,
    }

    #[test]
    fn one_text_that_is_no_address_hides_no_other() {
        #[derive(Deserialize)]
        struct Host {
            #[serde(deserialize_with = "super::addresses")]
            list: Vec<std::net::IpAddr>,
        }
        let host = super::read::<Host>(br#"{"list":{"IpAddress":["","192.0.2.1","x",null,"::1"]}}"#);
        assert_eq!(host.map(|host| host.list.len()).ok(), Some(2));
    }

    #[test]
    fn lists_are_read_plain_and_in_an_object() {
        for json in [r#"{"list":[1,2]}"#, r#"{"list":{"Item":[1,2]}}"#] {
            assert_eq!(serde_json::from_str::<Sample>(json).map(|sample| sample.list).ok(), Some(vec![1, 2]), "{json}");
        }
        for json in [r#"{"list":{}}"#, r#"{"list":null}"#, r#"{"list":{"Item":null}}"#, "{}"] {
            assert_eq!(serde_json::from_str::<Sample>(json).ok(), Some(Sample::default()), "{json}");
        }
        assert!(serde_json::from_str::<Sample>(r#"{"list":"x"}"#).is_err());
    }

    #[test]
    fn fields_are_read_in_every_type_that_services_use() {
        let sample = Sample { text: "7".into(), number: 7, flag: true, list: Vec::new() };
        for json in [
            r#"{"text":"7","number":7,"flag":true}"#,
            r#"{"text":7,"number":"7","flag":"True"}"#,
            r#"{"text":7,"number":7,"flag":1,"unknown":[]}"#,
        ] {
            assert_eq!(serde_json::from_str::<Sample>(json).ok().as_ref(), Some(&sample), "{json}");
        }
        let empty = serde_json::from_str::<Sample>(r#"{"text":null,"number":null,"flag":null}"#).ok();
        assert_eq!(empty, Some(Sample::default()));
        for json in [r#"{"text":[]}"#, r#"{"number":"x"}"#, r#"{"number":1.5}"#, r#"{"flag":"maybe"}"#] {
            assert!(serde_json::from_str::<Sample>(json).is_err(), "{json}");
        }
    }
}
