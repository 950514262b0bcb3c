"use strict";
// Shows one picture large, its "after" over its "before" with a line to drag between them, and turns
// the small ones.
// Without this script the pictures simply stand side by side.
(() => {
  const make = (name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };

  const slider = (root) => {
    const range = make("input", {
      type: "range", min: "0", max: "100", step: "1", value: "50",
      "aria-label": "Where each picture changes from before to after",
    });
    const move = (value) => {
      const place = Math.min(100, Math.max(0, Math.round(value)));
      range.value = String(place);
      range.setAttribute("aria-valuetext", `${100 - place} % of each picture is edited`);
      root.style.setProperty("--cut", `${place}%`);
    };
    range.addEventListener("input", () => move(Number(range.value)));
    const end = (text, value) => {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => move(value));
      return button;
    };
    const bar = make("div", { class: "slider" });
    bar.append(end("All before", 100), range, end("All after", 0));
    move(50);
    return { bar, move };
  };

  const dragged = (picture, move) => {
    const follow = (event) => {
      const box = picture.getBoundingClientRect();
      move((100 * (event.clientX - box.left)) / box.width);
    };
    picture.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      picture.setPointerCapture(event.pointerId);
      follow(event);
    });
    picture.addEventListener("pointermove", (event) => {
      if (picture.hasPointerCapture(event.pointerId)) follow(event);
    });
  };

  const staged = (root, move) => {
    const stage = make("figure", { class: "stage pair" });
    const both = make("div", { class: "both" });
    const before = make("img", { class: "before" });
    const after = make("img", { class: "after" });
    const caption = make("figcaption", { "aria-live": "polite" });
    both.append(before, after, make("span", { class: "grip", "aria-hidden": "true" }));
    stage.append(both, caption);
    dragged(both, move);
    const buttons = [];
    const show = (pair, button) => {
      const name = pair.dataset.name;
      for (const [shown, sort] of [[before, "before"], [after, "after"]]) {
        shown.src = pair.querySelector(`img.${sort}`).src;
        shown.alt = `${name} large, ${sort}`;
      }
      caption.textContent = `${name}: left of the line before, right of it after`;
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
    };
    root.querySelectorAll(".pairs .pair").forEach((pair) => {
      const label = `Show ${pair.dataset.name} large`;
      const button = make("button", { type: "button", class: "pick", "aria-label": label });
      button.addEventListener("click", () => show(pair, button));
      buttons.push(button);
      pair.append(button);
    });
    show(root.querySelector(".pairs .pair"), buttons[0]);
    return stage;
  };

  // Small pictures show "after", and turn to "before" while they are pointed at or focused, all of
  // them while the key B is held, or as the button says.
  const turned = (root) => {
    const button = make("button", { type: "button", "aria-pressed": "false" }, "Show all before");
    const set = (on) => {
      root.classList.toggle("turned", on);
      button.setAttribute("aria-pressed", String(on));
      button.textContent = on ? "Show all after" : "Show all before";
    };
    button.addEventListener("click", () => set(!root.classList.contains("turned")));
    const bar = make("div", { class: "turn" });
    bar.append(button, make("span", { class: "hint" }, "point at a picture to see it before, or hold B"));
    root.querySelectorAll(".pairs .both").forEach((both) => {
      both.append(make("span", { class: "state", "aria-hidden": "true" }));
    });
    return bar;
  };

  document.querySelectorAll(".compare").forEach((root) => {
    root.classList.add("live");
    const bar = turned(root);
    if ("stage" in root.dataset) {
      const { bar: slide, move } = slider(root);
      const side = make("div", { class: "large" });
      side.append(staged(root, move), slide);
      const rest = make("div");
      rest.append(bar, root.querySelector(".pairs"));
      root.append(side, rest);
    } else {
      root.querySelectorAll(".pairs .both").forEach((both) => {
        both.tabIndex = 0;
      });
      root.prepend(bar);
    }
  });

  const held = (on) => (event) => {
    if (event.key.toLowerCase() !== "b" || event.ctrlKey || event.metaKey || event.altKey) return;
    document.querySelectorAll(".compare").forEach((root) => root.classList.toggle("held", on));
  };
  document.addEventListener("keydown", held(true));
  document.addEventListener("keyup", held(false));

  document.querySelectorAll(".commands pre").forEach((pre) => {
    const button = make("button", { type: "button", class: "copier" }, "Copy");
    button.addEventListener("click", async () => {
      const text = pre.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre.querySelector("code"));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    pre.parentElement.append(button);
  });

  // Paper has no pointer: what is folded is opened for it.
  let shut = [];
  addEventListener("beforeprint", () => {
    shut = [...document.querySelectorAll("details:not([open])")];
    for (const each of shut) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of shut) each.open = false;
  });
})();
