//! `wheesht profile`: what people show of themselves.

use std::{fs, path::Path};

use wheesht_core::api::{Picture, Profile, ProfileField, ProfileVisibility, Request, Response};

use crate::{
    args::{Global, ProfileAction, ProfileChange},
    exit::{Failure, Result},
    output::{Output, Style},
    session::Session,
    text,
};

/// Larger files are refused before they are read.
const MAX_PICTURE: u64 = 1 << 20;

pub(crate) async fn run(global: &Global, out: Output, action: Option<ProfileAction>) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let action = action.unwrap_or(ProfileAction::Show { who: None, save_picture: None });
    let changes = matches!(action, ProfileAction::Set(_));
    if !changes {
        // What has changed may still lie at the relay.
        session.catch_up().await?;
    }
    let profile = act(&session, action).await?;
    let object = Response::Profile { profile: profile.clone() };
    out.result(&object, |style| lines(&profile, style))?;
    if changes {
        return session.finish().await;
    }
    session.client.close().await;
    Ok(())
}

/// Does it, and gives the profile that it was about.
pub(crate) async fn act(session: &Session, action: ProfileAction) -> Result<Profile> {
    match action {
        ProfileAction::Show { who, save_picture } => {
            let who = who.map(|who| session.who(&who)).transpose()?;
            let profile = session.client.profile(who).await?;
            if let Some(path) = save_picture {
                let Some(picture) = &profile.picture else {
                    return Err(Failure::usage("There is no picture in this profile."));
                };
                fs::write(path, picture.bytes())?;
            }
            Ok(profile)
        }
        ProfileAction::Set(change) => {
            let present = session.client.profile(None).await?;
            let request = request(change, present.fields)?;
            Ok(session.client.set_profile(request).await?)
        }
    }
}

/// Another picture, or none.
pub(crate) async fn set_picture(session: &Session, file: Option<&Path>) -> Result<Profile> {
    let picture = file.map_or_else(|| Ok(Picture::new(Vec::new())), read_picture)?;
    let request = Request::SetProfile {
        name: None,
        about: None,
        picture: Some(picture),
        fields: None,
        visibility: None,
    };
    Ok(session.client.set_profile(request).await?)
}

fn request(change: ProfileChange, mut fields: Vec<ProfileField>) -> Result<Request> {
    let ProfileChange { name, about, picture, no_picture, field, visible_to } = change;
    let picture = match (picture, no_picture) {
        (Some(path), _) => Some(read_picture(&path)?),
        (None, true) => Some(Picture::new(Vec::new())),
        (None, false) => None,
    };
    let changes = !field.is_empty();
    for field in field {
        let Some((name, value)) = field.split_once('=') else {
            return Err(Failure::usage("A field is written NAME=VALUE."));
        };
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        match fields.iter_mut().find(|known| known.name == name) {
            Some(known) => known.value = value,
            None => fields.push(ProfileField { name, value }),
        }
    }
    fields.retain(|field| !field.value.is_empty());
    Ok(Request::SetProfile {
        name,
        about,
        picture,
        fields: changes.then_some(fields),
        visibility: visible_to.map(Into::into),
    })
}

fn read_picture(path: &Path) -> Result<Picture> {
    if fs::metadata(path)?.len() > MAX_PICTURE {
        return Err(Failure::usage("A profile's picture has at most 32 KiB.").next("Make it smaller."));
    }
    Ok(Picture::new(fs::read(path)?))
}

/// A profile, for a person.
pub(crate) fn lines(profile: &Profile, style: Style) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{:<10} {value}", text::one_line(name)));
    if !profile.name.is_empty() {
        line("name", text::one_line(&profile.name));
    }
    if !profile.about.is_empty() {
        line("about", text::block(&profile.about));
    }
    for field in &profile.fields {
        line(&field.name, text::one_line(&field.value));
    }
    if let Some(picture) = &profile.picture {
        line("picture", format!("{} bytes", picture.bytes().len()));
    }
    if let Some(visibility) = profile.visibility {
        let seen = match visibility {
            ProfileVisibility::Nobody => "your own devices only",
            ProfileVisibility::Contacts => "your contacts",
            _ => "your contacts, and members of groups that you write in",
        };
        line("seen by", style.dim(seen));
    }
    if lines.is_empty() { "Nothing is shown.".to_owned() } else { lines.join("\n") }
}
