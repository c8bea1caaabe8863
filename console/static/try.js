"use strict";
// Try: drop, paste, choose; the result comes without loading the page.
const drop = document.getElementById("drop");
if (drop) {
  const result = document.getElementById("result");
  async function send(data) {
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(drop.action, { method: "POST", body: data });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("result");
      const fault = page.querySelector("main .notice.alarm");
      result.replaceChildren(...(fresh && fresh.childElementCount ? fresh.children : fault ? [fault] : []));
      copyButtons(result);
      for (const summary of result.querySelectorAll(".result")) summary.scrollIntoView({ block: "nearest" });
    } catch (error) {
      drop.submit();
    } finally {
      result.removeAttribute("aria-busy");
    }
  }
  function sendFile(file) {
    const data = new FormData(drop);
    data.delete("camera");
    data.set("image", file, file.name || "image.png");
    send(data);
  }
  // Where there is no touch screen, choosing a file would not ask for the camera.
  const camera = document.getElementById("camera");
  const finder = document.getElementById("finder");
  const [take, cancel] = finder.querySelectorAll("button");
  const video = finder.querySelector("video");
  const reach = navigator.mediaDevices;
  if (!matchMedia("(any-pointer: coarse)").matches) {
    if (!reach) camera.parentElement.hidden = true;
    camera.addEventListener("click", async (event) => {
      event.preventDefault();
      finder.querySelector("p").hidden = true;
      take.disabled = true;
      finder.showModal();
      try {
        video.srcObject = await reach.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
        // Closed while the browser asked for permission.
        if (!finder.open) finder.dispatchEvent(new Event("close"));
      } catch (error) {
        finder.querySelector("p").hidden = false;
      }
    });
  }
  video.addEventListener("loadeddata", () => { take.disabled = false; take.focus(); });
  finder.addEventListener("close", () => {
    for (const track of video.srcObject ? video.srcObject.getTracks() : []) track.stop();
    video.srcObject = null;
  });
  cancel.addEventListener("click", () => finder.close());
  take.addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    finder.close();
    canvas.toBlob((blob) => sendFile(new File([blob], "camera.jpg", { type: blob.type })), "image/jpeg", 0.92);
  });
  drop.addEventListener("submit", (event) => {
    const button = event.submitter;
    const data = new FormData(drop);
    if (button && button.name) {
      data.delete("image");
      data.delete("camera");
      data.append(button.name, button.value);
    }
    event.preventDefault();
    send(data);
  });
  for (const input of drop.querySelectorAll("input[type=file]"))
    input.addEventListener("change", () => { if (input.files.length) sendFile(input.files[0]); });
  for (const name of ["dragenter", "dragover"])
    document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"])
    document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    const file = event.dataTransfer.files[0];
    if (file) sendFile(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) sendFile(file);
  });
}
