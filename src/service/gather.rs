//! Several files as one source of a torrent: the folder that holds them all, without the rest.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::service::browse::Browse;
use crate::service::browse::Depth;
use crate::service::browse::Entry;

/// What to make a torrent of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The one path, or the folder that holds all of them.
    pub path: String,
    /// Names in it that are left out; `None` = what is always left out.
    pub skip: Option<Vec<String>>,
}

/// One source for `paths`: a single one stands for itself, several for their common folder.
///
/// # Errors
/// Invalid, when there is no path, or the rest of the folder cannot be told apart by name; those
/// of looking into the folder.
pub async fn gather(browse: &Browse, paths: &[String]) -> Result<Gathered> {
    let (first, rest) = paths.split_first().ok_or_else(|| Error::invalid("no files are named"))?;
    if rest.is_empty() {
        return Ok(Gathered { path: first.clone(), skip: None });
    }
    let wished: BTreeSet<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let folder =
        common(&wished).ok_or_else(|| Error::invalid("the files have no common folder"))?;
    let path = folder.to_str().ok_or_else(|| Error::invalid("the path is not valid UTF-8"))?;
    let all = browse.files(path, Depth::All).await?;
    let skip = left_out(&wished, &all)?;
    Ok(Gathered { path: path.to_owned(), skip: Some(skip) })
}

/// The deepest folder above all of `paths`.
fn common(paths: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let mut parents = paths.iter().map(|path| path.parent());
    let mut folder = parents.next()??.to_owned();
    for parent in parents {
        let parent = parent?;
        while !parent.starts_with(&folder) {
            folder = folder.parent()?.to_owned();
        }
    }
    (folder.is_absolute() && folder.parent().is_some()).then_some(folder)
}

/// The names of files that nobody named. They are left out by name, so none of them may be a part
/// of a path that was named, and none may hold a pattern.
fn left_out(wished: &BTreeSet<PathBuf>, all: &[Entry]) -> Result<Vec<String>> {
    let is_wished = |path: &Path| path.ancestors().any(|one| wished.contains(one));
    let (named, other): (Vec<&Entry>, Vec<&Entry>) =
        all.iter().partition(|entry| is_wished(Path::new(&entry.path)));
    if let Some(missing) = wished
        .iter()
        .find(|wish| !named.iter().any(|entry| Path::new(&entry.path).starts_with(wish)))
    {
        let shown = missing.display();
        return Err(Error::not_found(format!("there is no file or folder `{shown}`")));
    }
    let kept: BTreeSet<&str> = named
        .iter()
        .flat_map(|entry| Path::new(&entry.path).iter().filter_map(|part| part.to_str()))
        .collect();
    let names: BTreeSet<&str> = other.iter().map(|entry| entry.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| kept.contains(**name) || name.contains('*')) {
        return Err(Error::invalid(format!(
            "`{name}` is in the same folder and not named: name it too, or move it away"
        )));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::error::ErrorKind;
    use crate::service::paths::Roots;

    struct House {
        dir: tempfile::TempDir,
        browse: Browse,
    }

    impl House {
        fn new(files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join("dl").join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, b"x").unwrap();
            }
            let browse = Browse::new(Roots::new(vec![dir.path().join("dl")], Vec::new()));
            Self { dir, browse }
        }

        fn at(&self, file: &str) -> String {
            self.dir.path().join("dl").join(file).to_str().unwrap().to_owned()
        }

        async fn gather(&self, files: &[&str]) -> Result<Gathered> {
            let paths: Vec<String> = files.iter().map(|file| self.at(file)).collect();
            gather(&self.browse, &paths).await
        }
    }

    #[tokio::test]
    async fn several_files_are_their_folder_without_the_rest() {
        let house = House::new(&["set/a", "set/sub/b", "set/c", "set/sub/d"]);
        let all = house.gather(&["set/a", "set/sub/b", "set/c", "set/sub/d"]).await.unwrap();
        assert_eq!(all, Gathered { path: house.at("set"), skip: Some(vec![]) });
        let some = house.gather(&["set/a", "set/sub/b"]).await.unwrap();
        let skip = Some(vec!["c".to_owned(), "d".to_owned()]);
        assert_eq!(some, Gathered { path: house.at("set"), skip });
        let folder = house.gather(&["set/sub", "set/a"]).await.unwrap();
        assert_eq!(folder.skip, Some(vec!["c".to_owned()]));
        let one = house.gather(&["set/a"]).await.unwrap();
        assert_eq!(one, Gathered { path: house.at("set/a"), skip: None });
    }

    #[tokio::test]
    async fn what_cannot_be_told_apart_is_refused() {
        let house = House::new(&["set/a", "set/sub/a", "set/b", "set/x/*"]);
        let kind = |outcome: Result<Gathered>| outcome.unwrap_err().kind();
        assert_eq!(kind(house.gather(&["set/a", "set/b"]).await), ErrorKind::Invalid);
        assert_eq!(kind(house.gather(&["set/a", "set/no"]).await), ErrorKind::NotFound);
        assert_eq!(kind(house.gather(&[]).await), ErrorKind::Invalid);
    }
}
